import { encodeJson, parseChunk } from '@llmos/base';
import { parseGenerateOutput } from './generate-output';

it('reads a chunk', () => {
  const chunk = { index: 3, text: 'x', tokens: [1, 2], finishReason: 'stop' };
  expect(parseChunk(encodeJson(chunk))).toEqual(chunk);
});

it.each([
  [{ index: -1, text: '', tokens: [] }],
  [{ index: 0.5, text: '', tokens: [] }],
  [{ index: 0, text: 1, tokens: [] }],
  [{ index: 0, text: '', tokens: ['1'] }],
  [{ index: 0, text: '', tokens: [], finishReason: 'tired' }],
  ['text'],
  [null],
])('refuses %j as a chunk', (value) => {
  expect(parseChunk(encodeJson(value))).toBeUndefined();
});

it('refuses bytes that are no JSON', () => {
  expect(parseChunk(Uint8Array.of(0xff, 0x7b))).toBeUndefined();
});

it('refuses an output without tokens', () => {
  const output = { text: 'a', promptTokens: 1, finishReason: 'stop' };
  expect(parseGenerateOutput(output)).toBeUndefined();
  expect(parseGenerateOutput({ ...output, tokens: [1] })).toEqual({ ...output, tokens: [1] });
});

it('has the usage of an output, where it is one', () => {
  const output = { text: 'a', tokens: [1], promptTokens: 1, finishReason: 'stop' };
  const usage = { inputTokens: 5, cachedTokens: 0, outputTokens: 1 };
  expect(parseGenerateOutput({ ...output, usage })).toEqual({ ...output, usage });
  for (const wrong of [
    null,
    5,
    {},
    { ...usage, inputTokens: -1 },
    { ...usage, cachedTokens: 0.5 },
  ]) {
    expect(parseGenerateOutput({ ...output, usage: wrong })).toEqual(output);
  }
});

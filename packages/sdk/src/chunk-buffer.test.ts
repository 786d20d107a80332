import { ChunkBuffer } from './chunk-buffer';
import { SDK_LIMITS } from './limits';

it('joins chunks beyond its bound and loses none of them', () => {
  const buffer = new ChunkBuffer();
  const count = SDK_LIMITS.maxBufferedChunks + 10;
  for (let index = 0; index < count; index += 1) {
    const last = index === count - 1 ? { finishReason: 'stop' as const } : {};
    buffer.push({ index, text: `${index} `, tokens: [index], ...last });
  }
  const read = [];
  for (let chunk = buffer.shift(); chunk !== undefined; chunk = buffer.shift()) read.push(chunk);
  expect(read.length).toBe(SDK_LIMITS.maxBufferedChunks);
  expect(read.flatMap((chunk) => chunk.tokens)).toEqual([...Array(count).keys()]);
  expect(
    read
      .map((chunk) => chunk.text)
      .join('')
      .trim()
      .split(' ').length,
  ).toBe(count);
  expect(read.at(-1)?.finishReason).toBe('stop');
});

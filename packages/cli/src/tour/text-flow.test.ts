import { TextFlow } from './text-flow';
import { withoutAddresses } from './tour-texts';

function flow(pieces: readonly string[], width = 12): string[] {
  let text = '';
  const paragraph = new TextFlow((part) => (text += part), { indent: '> ', width });
  pieces.forEach((piece) => paragraph.push(piece));
  paragraph.end();
  return text.split('\n');
}

describe('a text that comes in pieces', () => {
  it('is broken at words, wherever the pieces end', () => {
    const expected = ['> one two', '> three four', '> five', ''];
    expect(flow(['one two three four five'])).toEqual(expected);
    expect(flow([...'one two three four five'])).toEqual(expected);
  });

  it('keeps its own line breaks and words that are too wide', () => {
    expect(flow(['a\n\nabcdefghijklmnop b'])).toEqual(['> a', '', '> abcdefghijklmnop', '> b', '']);
  });
});

it('web addresses are taken out of posts', () => {
  expect(withoutAddresses('Up 5% https://x.example/a?b=1 today')).toBe('Up 5% today');
});

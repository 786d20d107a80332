import { StopStrings } from './stop-strings';

/** Pushes the parts until it stops; the text given out and what was still held back. */
function run(stops: readonly string[], parts: readonly string[]) {
  const strings = new StopStrings(stops);
  let text = '';
  for (const part of parts) {
    const outcome = strings.push(part);
    text += outcome.text;
    if (outcome.isStopped) return { text, isStopped: true, rest: '' };
  }
  return { text, isStopped: false, rest: strings.flush() };
}

describe('stop strings', () => {
  it('ends before the text that occurs first', () => {
    expect(run(['END', '\n\n'], ['one\n\ntwo END'])).toMatchObject({
      text: 'one',
      isStopped: true,
    });
  });

  it('sees a stop text across any borders', () => {
    const text = 'the end is near ###stop### never';
    for (let size = 1; size <= 5; size += 1) {
      const parts = text.match(new RegExp(`.{1,${size}}`, 'gs')) ?? [];
      expect(run(['###stop###'], parts)).toMatchObject({
        text: 'the end is near ',
        isStopped: true,
      });
    }
  });

  it('holds back a beginning only as long as it may become the stop text', () => {
    const strings = new StopStrings(['abc']);
    expect(strings.push('xab')).toEqual({ text: 'x', isStopped: false });
    expect(strings.push('ab')).toEqual({ text: 'ab', isStopped: false });
    expect(strings.flush()).toBe('ab');
  });

  it('gives everything out where nothing stops it', () => {
    const outcome = run(['zzz'], ['a z', 'z b', 'zz']);
    expect(outcome.text + outcome.rest).toBe('a zz bzz');
    expect(run([], ['a', 'b']).text).toBe('ab');
  });

  it('looks at the last text too', () => {
    const strings = new StopStrings(['stop']);
    strings.push('a st');
    expect(strings.flushAfter('op b')).toBe('');
    const others = new StopStrings(['stop']);
    others.push('a st');
    expect(others.flushAfter('.')).toBe('st.');
  });
});

import { AGENT_LIMITS } from '../limits';
import { OutputTail } from './output-tail';

describe('output of a host', () => {
  it('is passed on in whole lines, cut and bounded, and its end is kept', () => {
    let nowMs = 0;
    const lines: string[] = [];
    const tail = new OutputTail({ nowMs: () => nowMs, onLine: (line) => lines.push(line) });
    tail.add('one\ntw');
    tail.add('o\n');
    expect(lines).toEqual(['one', 'two']);
    tail.add(`${'x'.repeat(20_000)}\n`);
    expect(lines.at(-1)).toHaveLength(AGENT_LIMITS.hostLineChars);
    tail.add('flood\n'.repeat(1000));
    expect(lines).toHaveLength(AGENT_LIMITS.hostLinesPerSecond);
    nowMs = 1000;
    tail.add('last words\n');
    expect(lines.slice(-2)).toEqual(['(803 lines dropped)', 'last words']);
    tail.add('and none');
    expect(lines.at(-1)).toBe('last words');
    const end = tail.end();
    expect(lines.at(-1)).toBe('and none');
    expect(end.endsWith('last words\nand none')).toBe(true);
    expect(end.length).toBeLessThanOrEqual(AGENT_LIMITS.hostTailChars);
  });
});

import { seededRandom } from '@llmos/base';
import { SizedLine } from './sized-line';

interface Entry {
  readonly bytes: number;
  readonly urgency: number;
}

it('finds what a look at every entry would', () => {
  const random = seededRandom(1);
  const line = new SizedLine<Entry>((a, b) => a.urgency < b.urgency);
  const inside: Entry[] = [];
  for (let urgency = 0; urgency < 3_000; urgency += 1) {
    const entry = { bytes: random.below(30), urgency: random.next() };
    line.add(entry);
    inside.push(entry);
    if (random.chance(0.4)) {
      const [gone] = inside.splice(random.below(inside.length), 1);
      if (gone !== undefined) line.delete(gone);
    }
    const bytes = random.below(32) - 1;
    const isAllowed = (one: Entry): boolean => one.urgency > 0.2;
    const fitting = inside.filter((one) => one.bytes <= bytes && isAllowed(one));
    const [first] = fitting.sort((a, b) => a.urgency - b.urgency);
    expect(line.first(bytes, isAllowed)).toBe(first);
    const above = inside.filter((one) => one.bytes > bytes);
    expect(new Set(line.above(bytes))).toEqual(new Set(above));
  }
  expect(line.size).toBe(inside.length);
});

it.each([
  ['grow with their urgency', (at: number) => at],
  ['shrink with their urgency', (at: number) => 10_000 - at],
  ['are all the same', () => 1],
])('compares few of very many whose sizes %s', (_, bytesOf) => {
  let compared = 0;
  const line = new SizedLine<Entry>((a, b) => {
    compared += 1;
    return a.urgency < b.urgency;
  });
  for (let at = 0; at < 10_000; at += 1) line.add({ bytes: bytesOf(at), urgency: at });
  compared = 0;
  for (let bytes = 0; bytes < 10_000; bytes += 100) line.first(bytes);
  expect(compared / 100).toBeLessThan(250);
});

import {
  describeBehind,
  formatStoreSequences,
  parseStoreSequences,
  storesBehind,
} from './store-sequences';

const of = (rows: Readonly<Record<string, number>>) => new Map(Object.entries(rows));

it('names the stores that are behind what was noted, also those that are gone', () => {
  const behind = storesBehind(of({ A: 5, B: 5, C: 5, D: 0 }), of({ A: 5, B: 4, E: 1 }));
  expect(behind.map(describeBehind)).toEqual([
    'B held messages up to 5 and ends at 4',
    'C held messages up to 5 and begins anew',
  ]);
});

it('is read as it was written; what is no sequence is left out', () => {
  expect(parseStoreSequences(formatStoreSequences(of({ A: 5 })))).toEqual(of({ A: 5 }));
  const odd = '{"sequences":{"A":1,"B":"2","C":1.5,"D":1e300,"E":null}}';
  expect(parseStoreSequences(Buffer.from(odd))).toEqual(of({ A: 1 }));
});

it.each(['', 'nonsense', '[]', 'null', '{"sequences":3}', '{"sequences":[]}'])(
  'is empty where it says %j',
  (text) => expect(parseStoreSequences(Buffer.from(text)).size).toBe(0),
);

it('is read no further than its bound', () => {
  const rows = Object.fromEntries(Array.from({ length: 9_999 }, (_, n) => [`S${n}`, 1]));
  expect(parseStoreSequences(formatStoreSequences(of(rows))).size).toBe(256);
});

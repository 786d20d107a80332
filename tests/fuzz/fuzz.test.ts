/** A short seeded run of every parser of bytes from outside; `npm run fuzz` runs longer ones. */
import { fuzz } from './fuzz';
import { PARSERS } from './parsers/parsers';

const SEED = 20_26;
const INPUTS = 3_000;
const FOR_MS = 2_000;

describe('damaged input', () => {
  it.each(PARSERS.map((parser) => [parser.name, parser] as const))(
    'is refused by errors of its own: %s',
    (_name, parser) => {
      const { findings } = fuzz({ parser, seed: SEED, forMs: FOR_MS, count: INPUTS });
      expect(findings).toEqual([]);
    },
  );
});

/**
 * Seeded random numbers: SplitMix32 (Steele, Lea and Flood 2014, in its 32-bit form). The same seed
 * gives the same numbers on every machine, so that failures replay and generations repeat.
 */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer in [0, bound). */
  below(bound: number): number;
  chance(probability: number): boolean;
}

/** The well-mixed 32-bit hash behind the generator; also usable as a counter-based generator. */
export function mix32(value: number): number {
  let z = (value + 0x9e3779b9) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}

export function seededRandom(seed: number): Random {
  let state = seed | 0;
  const next = (): number => {
    const value = mix32(state);
    state = (state + 0x9e3779b9) | 0;
    return value / 4294967296;
  };
  return {
    next,
    below: (bound) => Math.floor(next() * bound),
    chance: (probability) => next() < probability,
  };
}

/** A 32-bit hash of a text (FNV-1a), for seeds derived from ids. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}

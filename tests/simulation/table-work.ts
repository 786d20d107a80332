/**
 * Counts what a computation does with its tables: each look-up and each write of a Map, and each
 * step of a walk over one. A measure of work that is the same on every machine.
 */
export interface TableWork {
  /** So far, while counting was on. */
  steps: number;
  isCounting: boolean;
  /** Maps are as they were. */
  end(): void;
}

const LOOKS = ['get', 'has', 'set', 'delete'] as const;

/** Slows every Map of the program down until its end. */
export function countTableWork(): TableWork {
  const mapPrototype = Map.prototype as unknown as Record<string, (...args: unknown[]) => unknown>;
  const iteratorPrototype = Object.getPrototypeOf(new Map().values()) as Record<
    string,
    (...args: unknown[]) => unknown
  >;
  const restores: (() => void)[] = [];
  const work: TableWork = {
    steps: 0,
    isCounting: false,
    end: () => {
      for (const restore of restores) restore();
    },
  };
  const count = (prototype: typeof mapPrototype, name: string): void => {
    const original = prototype[name];
    if (original === undefined) throw new Error(`a Map has no ${name}`);
    prototype[name] = function (this: unknown, ...args: unknown[]): unknown {
      if (work.isCounting) work.steps += 1;
      return original.apply(this, args);
    };
    restores.push(() => (prototype[name] = original));
  };
  for (const name of LOOKS) count(mapPrototype, name);
  count(iteratorPrototype, 'next');
  return work;
}

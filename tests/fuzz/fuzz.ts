/**
 * Drives one parser with damaged input: it may refuse by its own errors, and nothing else.
 *
 * Input n of a seed is always the same. A hang is interrupted and named; so is memory that grows
 * from a warm start to the end.
 */
import { isDeepStrictEqual } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { createContext, runInNewContext, Script } from 'node:vm';
import { LlmosError, mix32, seededRandom } from '@llmos/base';
import type { FuzzSource } from './fuzz-source';
import { createFuzzSource } from './fuzz-source';

export interface FuzzParser {
  readonly name: string;
  /** Gives one input to the parser, and checks what it made of it. */
  readonly feed: (source: FuzzSource) => void;
  /** Whether the parser may throw this; without it, an LlmosError. */
  readonly isRefusal?: (thrown: unknown) => boolean;
}

export interface FuzzOptions {
  readonly parser: FuzzParser;
  readonly seed: number;
  readonly forMs: number;
  /** Where to begin, and how many at most. */
  readonly from?: number;
  readonly count?: number;
}

export interface FuzzFinding {
  readonly kind: 'crash' | 'hang' | 'memory';
  readonly input: number;
  readonly what: string;
  readonly given: readonly string[];
}

export interface FuzzOutcome {
  readonly inputs: number;
  readonly grownBytes: number;
  readonly findings: readonly FuzzFinding[];
}

/** No honest parser needs a hundredth of this for 64 KiB, also on a busy machine. */
const HANG_MS = 10_000;
/** Inputs between two looks at the clock. */
const BATCH_MS = 50;
const MAX_FINDINGS = 5;
/** Caches of the engine itself come and go; a leak of a few bytes for each input goes beyond. */
const MAX_GROWTH_BYTES = 32 * 1024 * 1024;

export function fuzz(options: FuzzOptions): FuzzOutcome {
  const run = new FuzzRun(options);
  const startMs = performance.now();
  const endMs = startMs + options.forMs;
  const warmMs = startMs + options.forMs / 4;
  let warmBytes: number | undefined;
  while (performance.now() < endMs && !run.isOver()) {
    run.batch(performance.now() + BATCH_MS);
    if (warmBytes === undefined && performance.now() >= warmMs) warmBytes = heldBytes();
  }
  const grownBytes = warmBytes === undefined ? 0 : heldBytes() - warmBytes;
  if (grownBytes > MAX_GROWTH_BYTES) run.report('memory', `grew by ${grownBytes} bytes`);
  return { inputs: run.inputs, grownBytes, findings: run.findings };
}

/** What refuses by errors of a decoder that its callers catch: any, but for those of a bug. */
export function isDecodeError(thrown: unknown): boolean {
  if (!(thrown instanceof Error) || thrown instanceof BrokenPromise) return false;
  return !/Cannot read|is not a function|not iterable|Invalid array length/.test(thrown.message);
}

/** A parser that answers what it must never answer. */
export class BrokenPromise extends Error {}

export function promise(isKept: boolean, what: string): void {
  if (!isKept) throw new BrokenPromise(what);
}

/** What was read and is written again says the same to whoever reads it then. */
export function promiseSame<T>(read: T, again: (of: T) => T): void {
  const once = again(read);
  promise(isDeepStrictEqual(again(once), once), 'written again, it says something else');
}

class FuzzRun {
  readonly findings: FuzzFinding[] = [];
  inputs = 0;
  private next: number;
  private source: FuzzSource | undefined;
  private untilMs = 0;
  private readonly context = createContext({ run: () => this.feedAll() });
  private readonly script = new Script('run()');

  constructor(private readonly options: FuzzOptions) {
    this.next = options.from ?? 0;
  }

  isOver(): boolean {
    return this.findings.length >= MAX_FINDINGS || this.inputs >= (this.options.count ?? Infinity);
  }

  batch(untilMs: number): void {
    this.untilMs = untilMs;
    try {
      // Unlike a timer, this limit also interrupts a loop and a regular expression.
      this.script.runInContext(this.context, { timeout: HANG_MS });
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw thrown;
      this.report('hang', `no end within ${HANG_MS} ms`);
    }
  }

  report(kind: FuzzFinding['kind'], what: string): void {
    this.findings.push({ kind, input: this.next - 1, what, given: this.source?.given ?? [] });
  }

  private feedAll(): void {
    const { parser, seed } = this.options;
    const isRefusal = parser.isRefusal ?? ((thrown: unknown) => thrown instanceof LlmosError);
    while (performance.now() < this.untilMs && !this.isOver()) {
      this.source = createFuzzSource(seededRandom(mix32(seed) + Math.imul(this.next, 0x2545f491)));
      this.next += 1;
      this.inputs += 1;
      try {
        parser.feed(this.source);
      } catch (thrown) {
        if (!isRefusal(thrown)) this.report('crash', describe(thrown));
      }
    }
  }
}

function describe(thrown: unknown): string {
  if (!(thrown instanceof Error)) return `it threw ${String(thrown)}`;
  const place = thrown.stack?.split('\n').slice(1, 4).join('\n') ?? '';
  return `${thrown.name}: ${thrown.message.slice(0, 300)}\n${place}`;
}

let collect: (() => void) | undefined;

/** Bytes that are still held after a collection. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  collect ??= runInNewContext('gc') as () => void;
  // What one collection finds to be dead may hold what only the next one frees.
  for (let round = 0; round < 3; round += 1) collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

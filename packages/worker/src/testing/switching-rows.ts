/**
 * For tests: greedy generations that share rows the way an engine's do, and worse. Prompts are fed
 * in parts of any length, any of the rows decode together in any order, drafts are fed and cut off,
 * rows are saved, restored in part, or dropped and fed again. The tokens depend on none of it.
 */
import type { Random } from '@llmos/base';
import type { DecoderRows, KvRow, SavedKv } from '../engine/rows/decoder-rows';

export interface SwitchingOptions {
  readonly rows: DecoderRows;
  readonly prompts: readonly (readonly number[])[];
  /** New tokens of each. */
  readonly tokenCount: number;
  readonly random: Random;
  /** That a row gives way, before each step; 0: none does, and all decode side by side. */
  readonly switchChance: number;
  /** Called after each step. */
  readonly onStep?: (step: number) => void;
}

export interface SwitchingReport {
  /** New tokens by prompt. */
  readonly tokens: readonly (readonly number[])[];
  readonly steps: number;
  readonly switches: number;
}

interface Sequence {
  readonly promptLength: number;
  readonly history: number[];
  row: KvRow | undefined;
  saved: SavedKv | undefined;
}

type RunningSequence = Sequence & { row: KvRow };

const MOST_STEPS = 20_000;
const MOST_PART_TOKENS = 24;

export async function generateSwitching(options: SwitchingOptions): Promise<SwitchingReport> {
  return new SwitchingRows(options).run();
}

class SwitchingRows {
  private readonly sequences: readonly Sequence[];
  private switches = 0;

  constructor(private readonly options: SwitchingOptions) {
    this.sequences = options.prompts.map((prompt) => ({
      promptLength: prompt.length,
      history: [...prompt],
      row: undefined,
      saved: undefined,
    }));
  }

  async run(): Promise<SwitchingReport> {
    const { onStep } = this.options;
    for (let step = 1; step <= MOST_STEPS; step += 1) {
      const open = this.sequences.filter((sequence) => !this.isDone(sequence));
      if (open.length === 0) {
        const tokens = this.sequences.map(({ history, promptLength }) =>
          history.slice(promptLength),
        );
        return { tokens, steps: step - 1, switches: this.switches };
      }
      for (const sequence of open) await this.turn(sequence);
      await this.decodeSome(open.filter(isRunning));
      for (const sequence of open) if (this.isDone(sequence)) this.drop(sequence);
      onStep?.(step);
    }
    throw new Error(`not done after ${MOST_STEPS} steps`);
  }

  private isDone({ history, promptLength }: Sequence): boolean {
    return history.length >= promptLength + this.options.tokenCount;
  }

  /** Enters, gives way, or reads on. */
  private async turn(sequence: Sequence): Promise<void> {
    const { random, switchChance } = this.options;
    if (!isRunning(sequence)) {
      if (!random.chance(switchChance)) await this.enter(sequence);
      return;
    }
    if (random.chance(switchChance)) {
      this.switches += 1;
      sequence.saved = random.chance(0.5) ? await this.options.rows.save(sequence.row) : undefined;
      this.drop(sequence);
    } else if (sequence.row.tokenCount < sequence.history.length - 1) {
      await this.read(sequence);
    } else if (random.chance(switchChance)) {
      await this.draft(sequence);
    }
  }

  private async enter(sequence: Sequence): Promise<void> {
    const { random, rows } = this.options;
    const { saved } = sequence;
    if (saved === undefined) {
      sequence.row = await rows.open();
      return;
    }
    const cut = random.chance(0.5) ? random.below(saved.tokenCount + 1) : 0;
    sequence.row = await rows.restore(saved, saved.tokenCount - cut);
  }

  private async read(sequence: RunningSequence): Promise<void> {
    const { history, row } = sequence;
    const part = 1 + this.options.random.below(MOST_PART_TOKENS);
    const ids = history.slice(row.tokenCount, row.tokenCount + part);
    const isLast = row.tokenCount + ids.length === history.length;
    const logits = await this.options.rows.feed(row, ids, 1);
    if (isLast) history.push(greatest(logits));
  }

  /** Feeds the last token and a guess: right or wrong, the first of the logits count. */
  private async draft({ history, row }: RunningSequence): Promise<void> {
    const { random, rows } = this.options;
    const last = history.at(-1) ?? 0;
    const guess = history[random.below(history.length)] ?? 0;
    const before = row.tokenCount;
    const logits = await rows.feed(row, [last, guess], 2);
    history.push(greatest(logits.subarray(0, logits.length / 2)));
    rows.cut(row, before + 1);
  }

  private async decodeSome(running: readonly RunningSequence[]): Promise<void> {
    const { random, switchChance } = this.options;
    const ready = running
      .filter((sequence) => sequence.row.tokenCount === sequence.history.length - 1)
      .filter((sequence) => !this.isDone(sequence) && !random.chance(switchChance))
      .map((sequence) => ({ sequence, order: switchChance > 0 ? random.next() : 0 }))
      .sort((a, b) => a.order - b.order)
      .map(({ sequence }) => sequence);
    if (ready.length === 0) return;
    const logits = await this.options.rows.decode(
      ready.map(({ row }) => row),
      ready.map(({ history }) => history.at(-1) ?? 0),
    );
    const width = logits.length / ready.length;
    ready.forEach(({ history }, index) => {
      history.push(greatest(logits.subarray(index * width, (index + 1) * width)));
    });
  }

  private drop(sequence: Sequence): void {
    if (sequence.row !== undefined) this.options.rows.close(sequence.row);
    sequence.row = undefined;
  }
}

function isRunning(sequence: Sequence): sequence is RunningSequence {
  return sequence.row !== undefined;
}

function greatest(logits: Float32Array): number {
  let best = 0;
  for (let id = 1; id < logits.length; id += 1) {
    if ((logits[id] as number) > (logits[best] as number)) best = id;
  }
  return best;
}

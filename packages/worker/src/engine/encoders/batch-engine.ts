/**
 * Engine *batch*: encoders and classifiers. All texts of all requests of a step are rows; rows of
 * like length share a model run. Runs go by the row that was given first: the order of requests is
 * the mailbox's, and nothing here compares them. A run that fails is
 * repeated row by row, so that a request's failure is its own. Before each run the step gives way
 * to what is more urgent. Answers of short runs leave together: each message on its own would wake
 * every program that it passes.
 */
import type { Engine, EngineCalls, EngineRequest } from '../engine';
import { ANY_ROOM } from '../requests/answer-room';
import type { ChargedRow, CostMeter } from '../cost-meter';
import { CANCELLED_ANSWER, failedAnswer, valueAnswer } from '../engine';
import type { RowOutput } from './encoder-graph';
import { HeldAnswers } from './held-answers';
import type { RowPlan, TextFunction } from './text-functions';
import type { BatchLimits } from './token-batches';
import { planBatches } from './token-batches';

/** Runs rows as one padded batch. */
export type RunRows = (rows: readonly (readonly number[])[]) => Promise<readonly RowOutput[]>;

export interface BatchEngineOptions {
  readonly function: TextFunction;
  readonly runRows: RunRows;
  readonly costs: CostMeter;
  readonly limits: BatchLimits;
  /** Tokens of runs, padding included, that an answer may wait for others. */
  readonly heldTokens: number;
}

/** A request on its way through the step; `isAnswered` once its answer is given. */
interface BatchedRequest {
  readonly request: EngineRequest;
  readonly plan: RowPlan;
  readonly outputs: (RowOutput | undefined)[];
  missing: number;
  isAnswered: boolean;
}

interface Row {
  readonly open: BatchedRequest;
  readonly index: number;
  readonly ids: readonly number[];
}

export class BatchEngine implements Engine {
  constructor(private readonly options: BatchEngineOptions) {}

  async run(requests: readonly EngineRequest[], calls: EngineCalls): Promise<void> {
    const opened: BatchedRequest[] = [];
    const rows: Row[] = [];
    for (const request of requests) {
      // To tokenise many long texts takes as long as a model run.
      if (rows.length >= this.options.limits.maxRows) await calls.giveWay();
      for (const open of this.open(request, calls)) {
        opened.push(open);
        rows.push(...open.plan.rows.map((ids, index) => ({ open, index, ids })));
      }
    }
    const held = new HeldAnswers(calls, this.options.heldTokens);
    try {
      for (const batch of planRuns(rows, this.options.limits)) {
        await held.giveWay();
        for (const open of opened) answerCancelled(open, held);
        const live = batch.filter((row) => !row.open.isAnswered);
        if (live.length === 0) continue;
        await this.runBatch(live, held);
        held.ran(live.length * Math.max(...live.map((row) => row.ids.length)));
      }
    } finally {
      held.flush();
    }
  }

  private open(request: EngineRequest, calls: EngineCalls): BatchedRequest[] {
    try {
      const plan = this.options.function.plan(request.input, request.room ?? ANY_ROOM);
      const missing = plan.rows.length;
      return [{ request, plan, outputs: [], missing, isAnswered: false }];
    } catch (thrown) {
      calls.answer(request.requestId, failedAnswer(thrown));
      return [];
    }
  }

  private async runBatch(rows: readonly Row[], calls: HeldAnswers): Promise<void> {
    let outputs: readonly RowOutput[];
    try {
      outputs = await this.options.costs.run(rows.map(chargedRow), () =>
        this.options.runRows(rows.map((row) => row.ids)),
      );
    } catch (thrown) {
      const [first, second] = rows;
      if (first !== undefined && second === undefined) fail(first.open, thrown, calls);
      else await this.runAlone(rows, calls);
      return;
    }
    rows.forEach((row, index) => take(row, outputs[index] as RowOutput, calls));
  }

  private async runAlone(rows: readonly Row[], calls: HeldAnswers): Promise<void> {
    for (const row of rows) {
      await calls.giveWay();
      answerCancelled(row.open, calls);
      if (!row.open.isAnswered) await this.runBatch([row], calls);
    }
  }
}

function chargedRow({ open, ids }: Row): ChargedRow {
  return { requestId: open.request.requestId, inputTokens: ids.length };
}

/** By the row of each that was given first. */
function planRuns(rows: readonly Row[], limits: BatchLimits): readonly (readonly Row[])[] {
  const lengths = rows.map((row) => row.ids.length);
  return planBatches(lengths, limits)
    .map((batch) => ({ batch, first: Math.min(...batch) }))
    .sort((a, b) => a.first - b.first)
    .map(({ batch }) => batch.map((index) => rows[index] as Row));
}

function take(row: Row, output: RowOutput, calls: HeldAnswers): void {
  const { open } = row;
  if (open.isAnswered) return;
  let value: unknown;
  try {
    open.outputs[row.index] = open.plan.keep(output, row.index);
    open.missing -= 1;
    if (open.missing > 0) return;
    value = open.plan.finish(open.outputs as RowOutput[]);
  } catch (thrown) {
    fail(open, thrown, calls);
    return;
  }
  open.isAnswered = true;
  calls.answer(open.request.requestId, valueAnswer(value));
}

function fail(open: BatchedRequest, thrown: unknown, calls: HeldAnswers): void {
  open.isAnswered = true;
  calls.answer(open.request.requestId, failedAnswer(thrown));
}

function answerCancelled(open: BatchedRequest, calls: HeldAnswers): void {
  const { requestId } = open.request;
  if (open.isAnswered || !calls.isCancelled(requestId)) return;
  open.isAnswered = true;
  calls.answer(requestId, CANCELLED_ANSWER);
}

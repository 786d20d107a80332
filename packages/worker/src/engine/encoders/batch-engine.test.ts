import { LlmosError } from '@llmos/base';
import { BatchEngine } from './batch-engine';
import type { RunRows } from './batch-engine';
import type { EngineAnswer, EngineRequest } from '../engine';
import type { TextFunction } from './text-functions';
import type { CostMeter } from '../cost-meter';
import { testCosts } from '../../testing/test-costs';

/** A request's rows are given; its answer is the first token of each row. */
const firstTokens: TextFunction = {
  outputNames: [],
  outputRank: 2,
  plan: (input) => {
    const rows = input as number[][];
    if (rows.length === 0) throw new LlmosError('INVALID_ARGUMENT', 'no rows');
    return {
      rows,
      keep: (output) => output,
      finish: (outputs) => outputs.map((output) => output.values[0]),
    };
  },
};

const runRows: RunRows = async (rows) =>
  rows.map((row) => ({ dims: [1], values: Float32Array.of(row[0] ?? 0) }));

function request(requestId: number, input: unknown): EngineRequest {
  return {
    ...{ requestId, function: 'embed', input, stream: false, resumeTokens: [], seedText: '' },
    ...{ tenant: '', class: 'standard', priority: 5, sequence: requestId },
  };
}

function engineOf(options: {
  runRows?: RunRows;
  maxRows?: number;
  heldTokens?: number;
  costs?: CostMeter;
}) {
  return new BatchEngine({
    function: firstTokens,
    runRows: options.runRows ?? runRows,
    costs: options.costs ?? testCosts(),
    limits: { maxRows: options.maxRows ?? 4, maxTokens: 100, runCostTokens: 7 },
    heldTokens: options.heldTokens ?? 100,
  });
}

/** Notes the first token of each run. */
function logged(seen: string[]): RunRows {
  return async (rows) => {
    seen.push(`run ${rows[0]?.[0]}`);
    return runRows(rows);
  };
}

async function run(
  requests: readonly EngineRequest[],
  options: {
    runRows?: RunRows;
    cancelled?: (id: number) => boolean;
    maxRows?: number;
    heldTokens?: number;
    costs?: CostMeter;
  } = {},
) {
  const answers = new Map<number, EngineAnswer>();
  const engine = engineOf(options);
  await engine.run(requests, {
    answer: (requestId, answer) => {
      if (answers.has(requestId)) throw new Error(`request ${requestId} is answered twice`);
      answers.set(requestId, answer);
    },
    chunk: () => undefined,
    isCancelled: options.cancelled ?? (() => false),
    giveWay: async () => undefined,
  });
  return new Map(
    [...answers].map(([id, answer]) => [
      id,
      answer.kind === 'failed'
        ? answer.error.code
        : answer.output.kind === 'value' && answer.output.value,
    ]),
  );
}

describe('batches of requests', () => {
  it('gives each request the outputs of its own rows, in order', async () => {
    const answers = await run([request(1, [[5, 0, 0], [6]]), request(2, [[7, 0]]), request(3, [])]);
    expect(Object.fromEntries(answers)).toEqual({ 1: [5, 6], 2: [7], 3: 'INVALID_ARGUMENT' });
  });

  it('joins requests in one run', async () => {
    const sizes: number[] = [];
    const counting: RunRows = async (rows) => {
      sizes.push(rows.length);
      return runRows(rows);
    };
    await run([request(1, [[1], [2]]), request(2, [[3]])], { runRows: counting });
    expect(sizes).toEqual([3]);
  });

  it('charges a run to its rows alike, whose ever they are', async () => {
    const costs = testCosts(2);
    for (const id of [1, 2]) costs.begin(id);
    await run([request(1, [[1, 1], [2]]), request(2, [[3]])], { costs, maxRows: 3 });
    // The clock of the test says that each run takes 1 ms.
    const [first, second] = [costs.end(1), costs.end(2)];
    expect(first).toMatchObject({ inputTokens: 3, outputTokens: 0 });
    expect(first?.deviceMs).toBeCloseTo(2 / 3, 6);
    expect(second?.deviceMs).toBeCloseTo(1 / 3, 6);
    expect(second?.cpuMs).toBeCloseTo(2 / 3, 6);
  });

  it('keeps a failure from batch mates: rows run alone, and only the guilty one fails', async () => {
    const guilty: RunRows = async (rows) => {
      if (rows.some((row) => row[0] === 13)) throw new LlmosError('INTERNAL', 'bad row');
      return runRows(rows);
    };
    const requests = [request(1, [[1], [2]]), request(2, [[13], [3]]), request(3, [[4]])];
    const answers = await run(requests, { runRows: guilty, maxRows: 8 });
    expect(Object.fromEntries(answers)).toEqual({ 1: [1, 2], 2: 'INTERNAL', 3: [4] });
  });

  it('answers a cancelled request between two runs, and no other', async () => {
    let runs = 0;
    const counting: RunRows = async (rows) => {
      runs += 1;
      return runRows(rows);
    };
    const answers = await run([request(1, [[1], [2], [3]]), request(2, [[4]])], {
      runRows: counting,
      maxRows: 1,
      cancelled: (id) => id === 1 && runs >= 2,
    });
    expect(Object.fromEntries(answers)).toEqual({ 1: 'CANCELLED', 2: [4] });
    expect(runs).toBe(3);
  });

  it('gives way before each run, and tells first what is known', async () => {
    const seen: string[] = [];
    const engine = engineOf({ maxRows: 1, runRows: logged(seen) });
    await engine.run([request(1, [[1], [2]]), request(2, [[3]])], {
      answer: (requestId) => void seen.push(`answer ${requestId}`),
      chunk: () => undefined,
      isCancelled: () => false,
      giveWay: async (before) => {
        if (!seen.includes('run 2') || seen.includes('urgent')) return;
        before?.();
        seen.push('urgent');
      },
    });
    expect(seen).toEqual(['run 1', 'run 2', 'answer 1', 'urgent', 'run 3', 'answer 2']);
  });

  it('runs first what was given first, however long its rows are', async () => {
    const seen: string[] = [];
    const requests = [[2, 0, 0, 0], [5], [4, 0, 0], [1]].map((row) => request(row[0] ?? 0, [row]));
    await run(requests, { maxRows: 1, runRows: logged(seen) });
    expect(seen).toEqual(['run 2', 'run 5', 'run 4', 'run 1']);
  });

  it('gives way while it reads texts, too: many long ones take as long as a run', async () => {
    const seen: string[] = [];
    const reading: TextFunction = {
      ...firstTokens,
      plan: (input, room) => {
        seen.push('read');
        return firstTokens.plan(input, room);
      },
    };
    const engine = new BatchEngine({
      ...{ function: reading, runRows: logged(seen), costs: testCosts(), heldTokens: 100 },
      limits: { maxRows: 2, maxTokens: 100, runCostTokens: 7 },
    });
    await engine.run(
      [1, 2, 3].map((id) => request(id, [[id]])),
      {
        answer: () => undefined,
        chunk: () => undefined,
        isCancelled: () => false,
        giveWay: async () => void seen.push('way'),
      },
    );
    expect(seen.slice(0, 5)).toEqual(['read', 'read', 'way', 'read', 'way']);
  });

  it('answers what short runs gave together, and does not wait longer than allowed', async () => {
    const answeredAfter = async (heldTokens: number): Promise<number[]> => {
      let runs = 0;
      const counts: number[] = [];
      const engine = new BatchEngine({
        function: firstTokens,
        runRows: async (rows) => {
          runs += 1;
          return runRows(rows);
        },
        costs: testCosts(),
        limits: { maxRows: 1, maxTokens: 100, runCostTokens: 7 },
        heldTokens,
      });
      await engine.run(
        [1, 2, 3, 4].map((id) => request(id, [[id]])),
        {
          answer: () => void counts.push(runs),
          chunk: () => undefined,
          isCancelled: () => false,
          giveWay: async () => undefined,
        },
      );
      return counts;
    };
    expect(await answeredAfter(100)).toEqual([4, 4, 4, 4]);
    expect(await answeredAfter(2)).toEqual([2, 2, 4, 4]);
    expect(await answeredAfter(0)).toEqual([1, 2, 3, 4]);
  });
});

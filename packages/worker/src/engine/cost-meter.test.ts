import type { AttemptCost } from '@llmos/base';
import { NO_COST } from '@llmos/base';
import { CostMeter } from './cost-meter';

function meterOf() {
  let nowMs = 0;
  const told: (readonly (readonly [number, AttemptCost])[])[] = [];
  const meter = new CostMeter({
    nowMs: () => nowMs,
    cores: 4,
    tellMs: 100,
    tell: (costs) => void told.push(costs),
  });
  const run = (ms: number, ...requestIds: number[]): Promise<string> => {
    const rows = requestIds.map((requestId) => ({ requestId, inputTokens: 3 }));
    return meter.run(rows, async () => {
      nowMs += ms;
      return 'output';
    });
  };
  return { meter, run, told, pass: (ms: number) => void (nowMs += ms) };
}

const cost = (deviceMs: number, inputTokens: number, outputTokens = 0): AttemptCost => ({
  ...{ deviceMs, cpuMs: deviceMs * 4, inputTokens, outputTokens },
});

describe('the cost meter', () => {
  it('shares a run between its rows, and counts the rows of a request together', async () => {
    const { meter, run } = meterOf();
    for (const requestId of [1, 2, 3]) meter.begin(requestId);
    expect(await run(40, 1, 1, 1, 2)).toBe('output');
    await run(5, 2);
    meter.made(2, 1);
    expect(meter.end(1)).toEqual(cost(30, 9));
    expect(meter.end(2)).toEqual(cost(15, 6, 1));
    expect(meter.end(3)).toBeUndefined();
  });

  it('charges a run that fails, and none to a request that is over', async () => {
    const { meter, run, pass } = meterOf();
    meter.begin(1);
    const failing = meter.run([{ requestId: 1, inputTokens: 3 }], () => {
      pass(7);
      return Promise.reject(new Error('the graph refused it'));
    });
    await expect(failing).rejects.toThrow('refused');
    expect(meter.end(1)).toEqual(cost(7, 3));
    await run(9, 1);
    meter.made(1, 5);
    expect(meter.end(1)).toBeUndefined();
  });

  it('tells what open requests cost so far, now and then', async () => {
    const { meter, run, told } = meterOf();
    for (const requestId of [1, 2, 3]) meter.begin(requestId);
    await run(60, 1);
    expect(told).toEqual([]);
    await run(60, 2);
    expect(told).toEqual([
      [
        [1, cost(60, 3)],
        [2, cost(60, 3)],
      ],
    ]);
    meter.end(1);
    await run(60, 2);
    await run(60, 2);
    expect(told[1]).toEqual([[2, cost(180, 9)]]);
    expect(NO_COST).toEqual(cost(0, 0));
  });
});

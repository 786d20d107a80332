/** Generations on WebGPU: what they say is what the CPU says, and the device's memory stays flat. */
import type { GenerateOutput, Result, TaskClass } from '@llmos/base';
import { parseResult, seededRandom } from '@llmos/base';
import type { DeviceRowsJob } from '../../testing/device-rows-driver';
import { runDeviceRows } from '../../testing/device-rows-run';
import { DrivenThread, jsonRequest } from '../../testing/driven-thread';
import { itWithShared } from '../../testing/model-folders';
import { TINY_DECODER, writeTinyDecoder } from '../../testing/tiny-decoder';
import { describeOnWebGpu } from '../../testing/webgpu';

jest.setTimeout(600_000);

const cleanups: (() => void)[] = [];
afterEach(() => cleanups.splice(0).forEach((cleanup) => cleanup()));

function tinyJob(): Omit<DeviceRowsJob, 'prompts' | 'tokenCount'> {
  const tiny = writeTinyDecoder(7);
  cleanups.push(() => tiny.remove());
  return {
    ...{ packageFolder: tiny.folder, graph: TINY_DECODER.graph, device: 'webgpu:0', seed: 5 },
    ...{ maxRows: 10, maxTokens: TINY_DECODER.maxTokens, switchChance: 0 },
  };
}

function somePrompts(count: number, most: number): number[][] {
  const random = seededRandom(11);
  return Array.from({ length: count }, () =>
    Array.from({ length: 1 + random.below(most) }, () => random.below(TINY_DECODER.vocabulary)),
  );
}

describeOnWebGpu('generations on webgpu', () => {
  it('10 prompts with switches give the tokens of the CPU', async () => {
    const job = { ...tinyJob(), prompts: somePrompts(10, 40), tokenCount: 30 };
    const expected = await runDeviceRows({ ...job, device: 'cpu' });
    const report = await runDeviceRows({ ...job, switchChance: 0.15 });
    expect(report.tokens).toEqual(expected.tokens);
    expect(report.switches).toBeGreaterThan(10);
    expect(report.violations).toEqual([]);
    expect(report.leftTensors).toBe(0);
  });

  it('the memory of the device is flat over 1,000 steps', async () => {
    const job = { ...tinyJob(), prompts: somePrompts(2, 8), tokenCount: 1010 };
    const { leftTensors, liveTensors, residentBytes, steps } = await runDeviceRows(job);
    expect(steps).toBeGreaterThan(1000);
    // Once both decode: one batch, a tensor for the keys and one for the values.
    expect(new Set(liveTensors.slice(5, 1000))).toEqual(new Set([2]));
    expect(leftTensors).toBe(0);
    // The driver in software keeps the device's memory in that of the process.
    const mean = (from: number, to: number): number =>
      residentBytes.slice(from, to).reduce((sum, bytes) => sum + bytes, 0) / (to - from);
    expect(mean(900, 1000) / mean(400, 500)).toBeLessThan(1.05);
  });

  itWithShared(
    'stories260K: 10 prompts with switches and preemptions give the tokens of the CPU',
    'stories260K',
    async (folder) => {
      const expected = await generateAll(folder, 'cpu', 0);
      const actual = await generateAll(folder, 'webgpu:0', 3);
      expect(actual.tokens).toEqual(expected.tokens);
      expect(actual.preemptions).toBeGreaterThan(0);
      expect(actual.switches).toBeGreaterThan(0);
    },
  );
});

const PROMPTS = [
  ...['Once upon a time', 'Tom had a', 'The cat', 'Lily saw a big', 'One day, a'],
  ...['There was a', 'Ben and Mia', 'The sun', 'A little dog', 'In the park'],
];

/** All at once in four rows; some are taken back in the middle and sent again. */
async function generateAll(folder: string, device: string, preemptEach: number) {
  const generation = { maxRows: preemptEach > 0 ? 4 : 1 };
  const thread = await DrivenThread.load(folder, { device, generation });
  cleanups.push(() => thread.stop());
  const tokens: (readonly number[])[] = [];
  let preemptions = 0;
  let open = PROMPTS.map((_, index) => ({ index, resumeTokens: [] as readonly number[] }));
  while (open.length > 0) {
    const isFirst = preemptions === 0;
    const requests = open.map(({ index, resumeTokens }) => {
      const taskClass: TaskClass = index < 6 ? 'batch' : 'interactive';
      return jsonRequest(
        index + 1,
        'generate',
        { prompt: PROMPTS[index], maxTokens: 12, temperature: index % 2, seed: index },
        { stream: true, class: taskClass, resumeTokens, seedText: `tenant/${index}` },
      );
    });
    const { answers, preempted } = await thread.run(requests, (requestId, chunk) => {
      const isTaken = isFirst && preemptEach > 0 && requestId % preemptEach === 0;
      if (isTaken && chunk.index === 4) thread.send({ kind: 'preempt', requestId });
    });
    for (const { requestId, result } of answers) {
      const parsed = parseResult(result) as Result<GenerateOutput>;
      if (!parsed.ok) throw new Error(parsed.error.message);
      tokens[requestId - 1] = parsed.output.tokens;
    }
    preemptions += preempted.length;
    open = preempted.map((given) => ({ index: given.requestId - 1, resumeTokens: given.tokens }));
  }
  return { tokens, preemptions, switches: thread.contexts?.switches ?? 0 };
}

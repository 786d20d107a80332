import { seededRandom } from '@llmos/base';
import { fakeDevice } from '../../testing/fake-device';
import type { FakeDevice } from '../../testing/fake-device';
import { generateSwitching } from '../../testing/switching-rows';
import type { SwitchingReport } from '../../testing/switching-rows';
import { readGenerationSettings } from '../../models/model-settings';
import { EMPTY_OBJECT } from '../../models/model-documents';
import { DecoderGraph } from './decoder-graph';
import type { KvRow } from './decoder-rows';
import { DeviceRows } from './device-rows';

const VOCABULARY = 23;
const MAX_ROWS = 8;
const MAX_TOKENS = 256;

function open(
  device: FakeDevice,
  maxRows = MAX_ROWS,
  maxTokens = MAX_TOKENS,
  hasDependentRows = false,
): DeviceRows {
  const settings = readGenerationSettings(
    {
      config: EMPTY_OBJECT,
      tokenizerConfig: EMPTY_OBJECT,
      generationConfig: EMPTY_OBJECT,
      genaiConfig: EMPTY_OBJECT,
    } as Parameters<typeof readGenerationSettings>[0],
    undefined,
  );
  const graph = new DecoderGraph(device.runner, settings);
  return new DeviceRows({ graph, copier: device.copier, maxRows, maxTokens, hasDependentRows });
}

async function generate(
  seed: number,
  switchChance: number,
  prompts: readonly (readonly number[])[],
): Promise<SwitchingReport> {
  const device = fakeDevice(VOCABULARY);
  const rows = open(device);
  const report = await generateSwitching({
    rows,
    prompts,
    tokenCount: 70,
    random: seededRandom(seed),
    switchChance,
    onStep: () => expect(rows.checkRows()).toEqual([]),
  });
  expect(device.liveTensors).toBe(0);
  expect(rows.bytes).toBe(0);
  return report;
}

function somePrompts(seed: number): number[][] {
  const random = seededRandom(seed);
  return Array.from({ length: MAX_ROWS }, () =>
    Array.from({ length: 1 + random.below(80) }, () => random.below(VOCABULARY)),
  );
}

describe('rows on a device', () => {
  it.each([1, 2, 3])(
    'tokens are those of each sequence alone, whatever switches (seed %i)',
    async (seed) => {
      const prompts = somePrompts(seed);
      const alone: (readonly number[])[] = [];
      for (const prompt of prompts) {
        alone.push(...(await generate(seed, 0, [prompt])).tokens);
      }
      const together = await generate(seed, 0, prompts);
      expect(together.tokens).toEqual(alone);
      const switched = await generate(seed, 0.2, prompts);
      expect(switched.switches).toBeGreaterThan(50);
      expect(switched.tokens).toEqual(alone);
    },
  );

  it('one sequence alone is never copied, but to grow', async () => {
    const device = fakeDevice(VOCABULARY);
    let copies = 0;
    const counted: FakeDevice = {
      ...device,
      copier: {
        ...device.copier,
        copy: (...given) => {
          copies += 1;
          return device.copier.copy(...given);
        },
        place: () => Promise.reject(new Error('placed')),
      },
    };
    const rows = open(counted);
    const row = await rows.open();
    await rows.feed(row, [1, 2, 3], 1);
    for (let at = 0; at < 40; at += 1) await rows.decode([row], [at % VOCABULARY]);
    await rows.feed(row, [4, 5], 2);
    await rows.decode([row], [6]);
    expect(copies).toBe(1);
    expect(rows.bytes).toBe(64 * rows.bytesPerToken);
  });

  it('the batch holds as many tensors after 300 steps as after the first', async () => {
    const device = fakeDevice(VOCABULARY);
    const rows = open(device, 4, 512);
    const opened = [await rows.open(), await rows.open(), await rows.open()];
    for (const row of opened) await rows.feed(row, [1, 2], 1);
    await rows.decode(opened, [3, 4, 5]);
    const before = device.liveTensors;
    for (let step = 0; step < 300; step += 1) await rows.decode(opened, [3, 4, 5]);
    expect(device.liveTensors).toBe(before);
    rows.closeAll();
    expect(device.liveTensors).toBe(0);
  });

  it('the batch shrinks once a quarter of its rows, or of its length, would do', async () => {
    const rows = open(fakeDevice(VOCABULARY), 16, 1024);
    const opened = await Promise.all(Array.from({ length: 16 }, () => rows.open()));
    const long = opened[15] as KvRow;
    for (const row of opened) await rows.feed(row, [1, 2], 1);
    await rows.feed(long, new Array<number>(500).fill(1), 1);
    const tokens = opened.map(() => 1);
    await rows.decode(opened, tokens);
    expect(rows.bytes).toBe(16 * 512 * rows.bytesPerToken);
    rows.close(long);
    await rows.decode(opened.slice(0, 15), tokens.slice(0, 15));
    expect(rows.bytes).toBe(16 * 64 * rows.bytesPerToken);
    for (const row of opened.slice(4)) rows.close(row);
    await rows.decode(opened.slice(0, 4), tokens.slice(0, 4));
    expect(rows.bytes).toBe(4 * 64 * rows.bytesPerToken);
    expect(rows.checkRows()).toEqual([]);
  });

  it('a run that fails leaves rows and tensors as they were', async () => {
    const device = fakeDevice(VOCABULARY);
    const rows = open(device);
    const reference = open(fakeDevice(VOCABULARY));
    const [a, b] = [await rows.open(), await rows.open()];
    const expected = [await reference.open(), await reference.open()] as const;
    for (const [target, [first, second]] of [
      [rows, [a, b]],
      [reference, expected],
    ] as const) {
      await target.feed(first, [1, 2, 3], 1);
      await target.feed(second, [4, 5], 1);
    }
    const attempts = [
      () => rows.feed(a, [7], 1),
      () => rows.decode([a, b], [7, 8]),
      () => rows.save(a),
    ];
    for (const attempt of attempts) {
      const before = device.liveTensors;
      device.failNext();
      await expect(attempt()).rejects.toMatchObject({ code: 'INTERNAL' });
      expect(device.liveTensors).toBe(before);
      expect([a.tokenCount, b.tokenCount]).toEqual([3, 2]);
      expect(rows.checkRows()).toEqual([]);
    }
    const logits = (await rows.decode([b, a], [8, 7])).slice();
    expect(logits).toEqual(await reference.decode([expected[1], expected[0]], [8, 7]));
  });

  it('a saved row is cut to its tokens, and restored as far as wanted', async () => {
    const device = fakeDevice(VOCABULARY);
    const rows = open(device);
    const row = await rows.open();
    await rows.feed(row, [1, 2, 3, 4], 1);
    const saved = await rows.save(row);
    expect(saved).toMatchObject({ tokenCount: 4, bytes: 4 * rows.bytesPerToken });
    expect(saved.parts.map((part) => Array.from(part as Float32Array))).toEqual([
      [1, 2, 3, 4],
      [1, 2, 3, 4],
    ]);
    const whole = (await rows.feed(row, [5], 1)).slice();
    const part = await rows.restore(saved, 2);
    expect(part.tokenCount).toBe(2);
    expect(await rows.feed(part, [3, 4, 5], 1)).toEqual(whole.slice());
    const empty = await rows.restore(saved, 0);
    expect(empty.tokenCount).toBe(0);
    expect(await rows.feed(empty, [1, 2, 3, 4, 5], 1)).toEqual(whole);
  });

  it('a restore that fails gives the row back', async () => {
    const device = fakeDevice(VOCABULARY);
    const rows = open(device, 2);
    const row = await rows.open();
    await rows.feed(row, [1, 2, 3, 4], 1);
    const saved = await rows.save(row);
    const before = device.liveTensors;
    device.failNext();
    await expect(rows.restore(saved, 4)).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(device.liveTensors).toBe(before);
    expect((await rows.restore(saved, 4)).tokenCount).toBe(4);
  });

  it('no more rows are open than allowed, and a closed one is refused', async () => {
    const rows = open(fakeDevice(VOCABULARY), 2);
    const row = await rows.open();
    await rows.open();
    await expect(rows.open()).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
    rows.close(row);
    rows.close(row);
    await expect(rows.feed(row, [1], 1)).rejects.toMatchObject({ code: 'INTERNAL' });
    await expect(rows.open()).resolves.toMatchObject({ tokenCount: 0 });
  });

  it('rows that influence each other run one by one', async () => {
    const device = fakeDevice(VOCABULARY);
    const together = open(device);
    const apart = open(device, MAX_ROWS, MAX_TOKENS, true);
    expect(apart.rowsPerRun).toBe(1);
    const runs: (readonly number[] | undefined)[] = [];
    const run = device.runner.run.bind(device.runner);
    device.runner.run = (request) => {
      runs.push(request.inputs.get('input_ids')?.dims);
      return run(request);
    };
    const logits: Float32Array[] = [];
    for (const rows of [together, apart]) {
      const opened = [await rows.open(), await rows.open()];
      for (const [index, row] of opened.entries()) await rows.feed(row, [index, 3], 1);
      runs.length = 0;
      logits.push((await rows.decode(opened, [5, 6])).slice());
    }
    expect(runs).toEqual([
      [1, 1],
      [1, 1],
    ]);
    expect(logits[1]).toEqual(logits[0]);
  });

  it('a row that is full sits a run out unharmed', async () => {
    const maxTokens = 64;
    const rows = open(fakeDevice(VOCABULARY), 2, maxTokens);
    const [full, other] = [await rows.open(), await rows.open()];
    await rows.feed(full, new Array<number>(maxTokens - 1).fill(1), 1);
    await rows.feed(other, [2], 1);
    await rows.decode([full, other], [9, 3]);
    expect(full.tokenCount).toBe(maxTokens);
    await rows.decode([other], [4]);
    const saved = await rows.save(full);
    expect((saved.parts[0] as Float32Array).at(-1)).toBe(9);
    expect(rows.checkRows()).toEqual([]);
  });
});

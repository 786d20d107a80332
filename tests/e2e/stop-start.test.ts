/**
 * The table "Stop and start" of docs/operations.md, line by line, on whole systems: nothing that was
 * acknowledged is lost, or the system does not start and says why.
 * `LLMOS_TEST_NATS_SERVERS` names more server programs to try: what they restore differs.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { readStoragePlan, startSystem } from '@llmos/local';
import type { RunningSystem, SystemNotice } from '@llmos/local';
import { connect } from '@llmos/sdk';
import type { LlmosClient } from '@llmos/sdk';
import { natsServerPath, natsServerPrograms } from '../support/nats-server';
import type { SmallDisk } from '../support/small-disk';
import { mebibytes, mountSmallDisk } from '../support/small-disk';
import { waitFor } from '../support/wait-for';

const LIMIT_MS = 240_000;
const GIB = 2 ** 30;
const AMPLE = 14 * GIB;
const TASKS = 30;

let disk: SmallDisk | undefined;
let folder = '';
let server = '';
let system: RunningSystem | undefined;
let notices: SystemNotice[] = [];
const path = process.env['PATH'] ?? '';

afterEach(async () => {
  await system?.stop();
  system = undefined;
  disk?.remove();
  disk = undefined;
  process.env['PATH'] = path;
}, LIMIT_MS);

/** Every test begins with it; a machine that can't mount a disk has nothing to test here. */
function onDisk(freeBytes: number, line: () => Promise<void>): () => Promise<void> {
  return async () => {
    disk = mountSmallDisk(freeBytes);
    if (disk === undefined) return;
    folder = join(disk.folder, 'data');
    await line();
  };
}

async function start(settings: Readonly<Record<string, string>> = {}): Promise<RunningSystem> {
  notices = [];
  const report = (notice: SystemNotice): void => void notices.push(notice);
  system = await startSystem({ dataDir: folder, device: 'cpu', settings, report });
  const used = notices.find((notice) => notice.kind === 'nats-found');
  expect(used).toMatchObject({ path: server });
  return system;
}

async function stop(): Promise<void> {
  await system?.stop();
  system = undefined;
}

async function withClient<T>(work: (os: LlmosClient) => Promise<T>): Promise<T> {
  const os = await connect({ servers: system?.natsUrl ?? '', timeoutMs: LIMIT_MS });
  try {
    return await work(os);
  } finally {
    await os.close();
  }
}

/** Acknowledged work: stored results, and tasks that wait because the worker is gone. */
async function work(name: string): Promise<void> {
  await withClient(async (os) => {
    const submit = (part: string) =>
      Promise.all(
        Array.from({ length: TASKS }, (_, n) =>
          os.submit('echo', `${name}-${part}-${n}`, { id: `${name}-${part}-${n}` }),
        ),
      );
    const done = await submit('done');
    await Promise.all(done.map((task) => task.result({ timeoutMs: LIMIT_MS })));
    process.kill(system?.osPids()['worker-1'] ?? 0, 'SIGKILL');
    await submit('waits');
  });
}

async function expectAllOf(name: string): Promise<void> {
  await withClient(async (os) => {
    for (const part of ['done', 'waits']) {
      const ids = Array.from({ length: TASKS }, (_, n) => `${name}-${part}-${n}`);
      const results = await Promise.all(
        ids.map((id) => os.task(id).result({ timeoutMs: LIMIT_MS })),
      );
      expect(results.map(String)).toEqual(ids);
    }
  });
}

/** What the streams may hold together. */
async function budgetBytes(): Promise<number> {
  const streams = await withClient((os) => os.streams());
  return streams.reduce((sum, stream) => sum + Math.max(0, stream.maxBytes), 0);
}

async function expectRefusal(of: RegExp): Promise<void> {
  await expect(start()).rejects.toThrow(of);
}

function useServer(program: string): void {
  server = program;
  process.env['PATH'] = `${dirname(program)}${delimiter}${path}`;
}

describe.each(natsServerPrograms())('on %s', (_name, program) => {
  beforeEach(async () => useServer(program ?? (await natsServerPath())));

  it.each([4 * GIB, 1 * GIB, mebibytes(100)])(
    'less room on the disk (%d bytes free): everything is there',
    (freeBytes) =>
      onDisk(AMPLE, async () => {
        await start();
        const before = await budgetBytes();
        expect(before).toBeGreaterThan(7.9 * GIB);
        await work('room');
        await stop();
        disk?.leaveFree(freeBytes);
        await start();
        expect(await budgetBytes()).toBe(before);
        await expectAllOf('room');
      })(),
    LIMIT_MS,
  );

  it(
    'a full disk: it does not start and says so; with room again everything is there',
    onDisk(AMPLE, async () => {
      await start();
      await work('full');
      await stop();
      disk?.leaveFree(0);
      await expectRefusal(/disk of \S+ is full: 0 MiB free, and 16 MiB are needed/);
      disk?.leaveFree(mebibytes(64));
      await start();
      await expectAllOf('full');
    }),
    LIMIT_MS,
  );

  it(
    'a stop while the disk is full: with room again everything is there',
    onDisk(AMPLE, async () => {
      await start();
      await work('stopped-full');
      disk?.leaveFree(0);
      await stop();
      disk?.leaveFree(mebibytes(64));
      await start();
      await expectAllOf('stopped-full');
    }),
    LIMIT_MS,
  );

  it(
    'a store folder that is gone or empty: it does not start and says so; put back, everything is there',
    onDisk(AMPLE, async () => {
      await start();
      await work('reset');
      await stop();
      renameSync(join(folder, 'nats'), join(folder, 'aside'));
      await expectRefusal(/store of this system is gone: \S+\/nats holds no stream/);
      expect(existsSync(join(folder, 'nats'))).toBe(false);
      mkdirSync(join(folder, 'nats'));
      await expectRefusal(/store of this system is gone: \S+\/nats holds no stream/);
      rmSync(join(folder, 'nats'), { recursive: true });
      renameSync(join(folder, 'aside'), join(folder, 'nats'));
      await start();
      await expectAllOf('reset');
      await stop();
      rmSync(join(folder, 'nats'), { recursive: true });
      rmSync(join(folder, 'storage.json'));
      await start();
    }),
    LIMIT_MS,
  );

  it(
    'one store that is missing: it does not start, names it whole, and the ways out',
    onDisk(AMPLE, async () => {
      await start();
      await work('one');
      await stop();
      const stores = join(folder, 'nats', 'jetstream', '$G', 'streams');
      renameSync(join(stores, 'LLMOS_RESULTS'), join(folder, 'aside'));
      await expectRefusal(
        /missing at the NATS server: LLMOS_RESULTS \(\d+ MiB\), [^]*LLMOS_MAKE_ANEW=LLMOS_RESULTS$/m,
      );
      renameSync(join(folder, 'aside'), join(stores, 'LLMOS_RESULTS'));
      await start();
      await expectAllOf('one');
    }),
    LIMIT_MS,
  );

  it(
    'the messages of a stream are gone: it does not start and says which; put back, all is there',
    onDisk(AMPLE, async () => {
      await start({ LLMOS_SEQUENCE_NOTE_MS: '1000' });
      await work('messages');
      await withClient((os) =>
        waitFor(
          async () => (await os.streams()).every((of) => of.notedSequence === of.lastSequence),
          {
            what: 'the last messages to be noted',
          },
        ),
      );
      await stop();
      const messages = join(folder, 'nats/jetstream/$G/streams/LLMOS_TASKS/msgs');
      renameSync(messages, join(folder, 'put-away'));
      await expectRefusal(/LLMOS_TASKS held messages up to \d+ and begins anew.*LLMOS_MAKE_ANEW/);
      rmSync(messages, { recursive: true, force: true });
      renameSync(join(folder, 'put-away'), messages);
      await start();
      await expectAllOf('messages');
    }),
    LIMIT_MS,
  );

  it(
    'a folder of a version without storage.json, and less room: it is taken over as it is',
    onDisk(AMPLE, async () => {
      await start();
      await work('old');
      const before = await budgetBytes();
      await stop();
      rmSync(join(folder, 'storage.json'));
      disk?.leaveFree(GIB);
      await start();
      expect(await budgetBytes()).toBe(before);
      expect(readStoragePlan(folder)).toMatchObject({ isInUse: true });
      await expectAllOf('old');
    }),
    LIMIT_MS,
  );

  it(
    'a smaller LLMOS_STORAGE_BYTES: nothing is made smaller, and that is said',
    onDisk(AMPLE, async () => {
      await start();
      const before = await budgetBytes();
      await work('smaller');
      await stop();
      await start({ LLMOS_STORAGE_BYTES: String(mebibytes(256)) });
      expect(await budgetBytes()).toBe(before);
      expect(notices).toContainEqual(
        expect.objectContaining({ kind: 'storage-fitted', wantedBytes: mebibytes(256) }),
      );
      await expectAllOf('smaller');
    }),
    LIMIT_MS,
  );

  it(
    'a larger LLMOS_STORAGE_BYTES: the streams grow as far as there is room',
    onDisk(GIB, async () => {
      await start();
      const small = await budgetBytes();
      expect(small).toBeGreaterThan(mebibytes(500));
      await work('larger');
      await stop();
      const wanted = { LLMOS_STORAGE_BYTES: String(4 * GIB) };
      disk?.leaveFree(2 * GIB);
      await start(wanted);
      const fitted = await budgetBytes();
      expect(fitted).toBeGreaterThan(small);
      expect(fitted).toBeLessThan(2 * GIB);
      await expectAllOf('larger');
      await stop();
      disk?.leaveFree(AMPLE);
      await start(wanted);
      expect(await budgetBytes()).toBeGreaterThan(3.9 * GIB);
      await expectAllOf('larger');
    }),
    LIMIT_MS,
  );

  it(
    'a storage.json that can’t be read: it does not start and says what to do',
    onDisk(AMPLE, async () => {
      await start();
      await work('torn');
      await stop();
      writeFileSync(join(folder, 'storage.json'), '{');
      await expectRefusal(/storage\.json is no plan of storage .*: remove it/);
      const huge = { streamBytes: 2 ** 52, storeBytes: 2 ** 53 - 1, isInUse: true };
      writeFileSync(join(folder, 'storage.json'), JSON.stringify({ version: 1, ...huge }));
      await expectRefusal(/storage\.json gives the streams .* remove the file/);
      rmSync(join(folder, 'storage.json'));
      await start();
      await expectAllOf('torn');
    }),
    LIMIT_MS,
  );

  it(
    'a first start with too little room: it says which disk, what is free, needed and the setting',
    onDisk(mebibytes(200), async () => {
      await expectRefusal(/disk of \S+ has \d+ MiB free, .* needs 256 MiB .*LLMOS_STORAGE_BYTES/);
      disk?.leaveFree(mebibytes(300));
      await start();
      await work('least');
      await expectAllOf('least');
    }),
    LIMIT_MS,
  );
});

/** Needs at least two programs in `LLMOS_TEST_NATS_SERVERS`, the oldest first. */
describe('another version of the server', () => {
  const programs = natsServerPrograms().flatMap(([, program]) => program ?? []);

  it(
    'newer ones, one after the other: everything is there',
    onDisk(AMPLE, async () => {
      if (programs.length < 2) return console.warn('skipped: one NATS server only');
      for (const [index, program] of programs.entries()) {
        useServer(program);
        await start();
        for (let n = 0; n <= index; n += 1) {
          if (n === index) await work(`version-${n}`);
          else await expectAllOf(`version-${n}`);
        }
        await stop();
      }
    }),
    LIMIT_MS,
  );

  it(
    'an older one: everything is there, or it does not start and says so',
    onDisk(AMPLE, async () => {
      if (programs.length < 2) return console.warn('skipped: one NATS server only');
      const [newest = '', ...older] = [...programs].reverse();
      const names: string[] = [];
      for (const program of [newest, ...older.flatMap((each) => [each, newest])]) {
        useServer(program);
        if (/v2\.9\./.test(execFileSync(program, ['--version'], { encoding: 'utf8' }))) {
          await expectRefusal(/store was written by NATS 2\.\d+\.\d+, and NATS 2\.9\.\d+ \(\S+\)/);
          continue;
        }
        await start();
        for (const name of names) await expectAllOf(name);
        names.push(`at-${names.length}`);
        await work(names.at(-1) ?? '');
        await stop();
      }
    }),
    LIMIT_MS,
  );
});

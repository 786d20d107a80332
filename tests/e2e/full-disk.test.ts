/**
 * A disk that fills up under a running system: it says so early, says it when full, loses nothing
 * that it acknowledged, and goes on by itself once there is room again.
 */
import { delimiter, dirname, join } from 'node:path';
import { runCli } from '@llmos/cli';
import { startSystem } from '@llmos/local';
import type { RunningSystem, SystemNotice } from '@llmos/local';
import { connect } from '@llmos/sdk';
import type { LlmosClient } from '@llmos/sdk';
import { natsServerPath, natsServerPrograms } from '../support/nats-server';
import type { SmallDisk } from '../support/small-disk';
import { mebibytes, mountSmallDisk } from '../support/small-disk';
import { waitFor } from '../support/wait-for';

const LIMIT_MS = 240_000;
const AMPLE = mebibytes(2_000);

let disk: SmallDisk | undefined;
let system: RunningSystem | undefined;
let os: LlmosClient | undefined;
let notices: SystemNotice[] = [];
const path = process.env['PATH'];

afterEach(async () => {
  await os?.close();
  await system?.stop();
  disk?.remove();
  [os, system, disk] = [undefined, undefined, undefined];
  process.env['PATH'] = path;
}, LIMIT_MS);

const told = (level: string): boolean =>
  notices.some((notice) => notice.kind === 'disk' && notice.level === level);

async function untilReadiness(status: number, level: string): Promise<void> {
  await waitFor(
    async () => {
      const response = await fetch(new URL('/readyz', system?.kernelUrl));
      const { disk } = (await response.json()) as { disk?: { level: string } };
      return response.status === status && disk?.level === level;
    },
    { what: `/readyz to say ${status} and that the disk is ${level}`, limitMs: LIMIT_MS },
  );
}

async function tryCall(text: string): Promise<string> {
  const task = await os?.submit('echo', text, { id: text, timeoutMs: 2_000 });
  return String(await task?.result({ timeoutMs: 5_000 }));
}

async function doctor(data: string): Promise<string> {
  let text = '';
  await runCli(['doctor', '--data', data], {
    out: { write: (part) => (text += part) },
    err: { write: () => true },
    env: {},
    signal: new AbortController().signal,
    readStdin: async () => '',
  });
  return text;
}

describe.each(natsServerPrograms())('on %s', (_name, program) => {
  it(
    'is told of, costs nothing that was acknowledged, and is over when there is room',
    async () => {
      disk = mountSmallDisk(AMPLE);
      if (disk === undefined) return;
      const server = program ?? (await natsServerPath());
      process.env['PATH'] = `${dirname(server)}${delimiter}${path}`;
      notices = [];
      const report = (notice: SystemNotice): void => void notices.push(notice);
      system = await startSystem({ dataDir: join(disk.folder, 'data'), device: 'cpu', report });
      os = await connect({ servers: system.natsUrl });
      expect(await tryCall('before')).toBe('before');
      await untilReadiness(200, 'ample');

      disk.leaveFree(mebibytes(100));
      await waitFor(() => told('short'), { what: 'the word that room is short' });
      expect(await tryCall('short')).toBe('short');
      await untilReadiness(200, 'short');

      disk.leaveFree(0);
      await waitFor(() => told('full'), { what: 'the word that the disk is full' });
      await untilReadiness(503, 'full');
      const acknowledged: string[] = [];
      let refused = 0;
      for (let n = 0; refused < 3 && n < 2_000; n += 1) {
        const id = `full-${n}`;
        const body = id.padEnd(10_000, '.');
        await os.submit('echo', body, { id, timeoutMs: 2_000 }).then(
          () => acknowledged.push(id),
          () => (refused += 1),
        );
      }
      expect(refused).toBe(3);
      const said = await doctor(join(disk.folder, 'data'));
      expect(said).toMatch(/✗ disk .* free in .*; the streams hold .* of /);
      expect(said).toMatch(
        /→ the disk of \S+ is full .*make room; a running `llmos up` then goes on/,
      );
      expect(said).not.toMatch(/start one|start it,|credentials/);

      disk.leaveFree(AMPLE);
      await waitFor(() => notices.some(({ kind }) => kind === 'program-renewed'), {
        what: 'the restart of the server',
      });
      await untilReadiness(200, 'ample');
      await waitFor(() => tryCall('after'), { what: 'an answer', limitMs: LIMIT_MS });
      for (const id of ['before', 'short', ...acknowledged]) {
        expect(String(await os.task(id).result({ timeoutMs: LIMIT_MS }))).toContain(id);
      }
      const died = notices.flatMap((notice) => (notice.kind === 'program-died' ? notice.name : []));
      expect(died.filter((name) => name !== 'nats-server')).toEqual([]);
    },
    LIMIT_MS,
  );
});

/** `llmos backup` and `llmos restore` on a real NATS server: what they refuse, and going on. */
import { createHash, randomBytes } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from '@llmos/cli';
import { openStoppedSystem } from '@llmos/local';
import type { StoppedSystem } from '@llmos/local';
import { connect } from 'nats';
import type { JetStreamManager, NatsConnection } from 'nats';
import type { NatsServerOptions, TestNatsServer } from '../support/nats-server';
import { PATIENT, startNatsServer } from '../support/nats-server';
import { mountSmallDisk } from '../support/small-disk';

const MIB = 1024 * 1024;
const BODY = 'x'.repeat(1_000);
const STREAMS = ['KV_llmos_leader', 'LLMOS_DEAD', 'LLMOS_RESULTS', 'LLMOS_TASKS'];

let folder: string;
let backup: string;
let closers: (() => Promise<unknown>)[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'llmos-backup-'));
  backup = join(folder, 'backup');
  closers = [];
});
afterEach(async () => {
  for (const close of closers.reverse()) await close().catch(() => undefined);
  rmSync(folder, { recursive: true, force: true });
});

interface Bench {
  readonly url: string;
  readonly server: TestNatsServer;
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
}

async function startEmpty(options: NatsServerOptions = {}): Promise<Bench> {
  const server = await startNatsServer(options);
  closers.push(() => server.stop());
  const connection = await connect({ servers: server.url });
  closers.push(() => connection.close());
  const manager = await connection.jetstreamManager(PATIENT);
  return { url: server.url, server, connection, manager };
}

/** What a stopped system leaves, small: as kernels make it, but for the sizes. */
async function startFull(): Promise<Bench> {
  const bench = await startEmpty();
  await fill(bench);
  return bench;
}

async function fill({ manager, connection }: Pick<Bench, 'manager' | 'connection'>): Promise<void> {
  const jetstream = connection.jetstream(PATIENT);
  await manager.streams.add({ name: 'KV_llmos_leader', subjects: ['$KV.llmos_leader.>'] });
  await jetstream.publish('$KV.llmos_leader.leader', '{"epoch":1,"isReleased":true}');
  for (const kind of ['task', 'result', 'dead']) {
    const name = `LLMOS_${{ task: 'TASKS', result: 'RESULTS', dead: 'DEAD' }[kind] ?? ''}`;
    const max_age = kind === 'result' ? 3_600e9 : 0;
    await manager.streams.add({ name, subjects: [`${kind}.*`], max_bytes: 10 * MIB, max_age });
    for (let n = 0; n < 50; n += 1) await jetstream.publish(`${kind}.${n}`, BODY);
  }
  await manager.streams.add({ name: 'SOMEONE_ELSES', subjects: ['other'] });
}

async function llmos(args: readonly string[], onTalk: (text: string) => void = () => undefined) {
  const stop = new AbortController();
  let [out, err] = ['', ''];
  const exitCode = await runCli(args, {
    out: { write: (text) => (out += text) },
    err: {
      isTTY: true,
      write: (text) => {
        err += text;
        onTalk(text);
        if (stopsAt !== undefined && text.includes(stopsAt)) stop.abort();
      },
    },
    env: { XDG_CONFIG_HOME: '/nowhere', PATH: process.env['PATH'], NO_COLOR: '1' },
    folder: '/nowhere',
    signal: stop.signal,
    readStdin: async () => '',
  });
  return { exitCode, out, err };
}
/** Interrupts the command, as Ctrl-C does, once its progress shows this. */
let stopsAt: string | undefined;
beforeEach(() => (stopsAt = undefined));

async function succeed(command: 'backup' | 'restore', bench: Bench): Promise<string> {
  const outcome = await llmos([command, backup, '--nats', bench.url]);
  expect(outcome).toMatchObject({ exitCode: 0 });
  return outcome.out;
}

async function fail(command: 'backup' | 'restore', bench: Bench): Promise<string> {
  const { exitCode, err } = await llmos([command, backup, '--nats', bench.url]);
  expect(exitCode).toBe(1);
  return err;
}

async function interrupt(command: 'backup' | 'restore', bench: Bench, at: string): Promise<void> {
  stopsAt = at;
  const { exitCode } = await llmos([command, backup, '--nats', bench.url]);
  stopsAt = undefined;
  expect(exitCode).toBe(130);
}

async function namesAt(bench: Bench): Promise<string[]> {
  const infos = await bench.manager.streams.list().next();
  return infos.map(({ config }) => config.name).sort();
}

interface ManifestFields {
  serverVersion: string;
  readonly streams: Record<string, unknown>[];
}

/** As a tool would that knows what it does: with the digest of what it says now. */
function changeManifest(change: (manifest: ManifestFields) => void): void {
  const file = join(backup, 'backup.json');
  const { digest: _before, ...manifest } = JSON.parse(
    readFileSync(file, 'utf8'),
  ) as ManifestFields & { readonly digest: string };
  change(manifest);
  const digest = createHash('sha256').update(JSON.stringify(manifest)).digest('hex');
  writeFileSync(file, JSON.stringify({ ...manifest, digest }));
}

describe('backup', () => {
  it('takes the streams of llmos and no others, and never over another backup', async () => {
    const full = await startFull();
    const shown = await succeed('backup', full);
    expect(shown).toMatch(/LLMOS_TASKS +50/);
    expect(shown).toContain('4 streams with 151 messages');
    expect(shown).not.toContain('SOMEONE_ELSES');
    expect(await fail('backup', full)).toContain('holds a backup of');
  });

  it('goes on where it was cut short, and takes again what has changed since', async () => {
    const full = await startFull();
    await interrupt('backup', full, 'LLMOS_TASKS');
    const restored = await startEmpty();
    expect(await fail('restore', restored)).toContain('was cut short');
    expect(await namesAt(restored)).toEqual([]);
    const before = statSync(join(backup, 'LLMOS_DEAD.snapshot'));
    await full.connection.jetstream(PATIENT).publish('result.more', BODY);
    expect(await succeed('backup', full)).toMatch(/LLMOS_RESULTS +51/);
    expect(statSync(join(backup, 'LLMOS_DEAD.snapshot')).ino).toBe(before.ino);
    await succeed('restore', restored);
    expect((await restored.manager.streams.info('LLMOS_RESULTS')).state.messages).toBe(51);
  });

  it('waits for a leader that holds its lease on paper alone, and refuses one that works', async () => {
    const full = await startFull();
    const jetstream = full.connection.jetstream(PATIENT);
    const renew = () => jetstream.publish('$KV.llmos_leader.leader', '{"epoch":1}');
    await renew();
    // The first word of the watch: as soon as it looks, the lease is renewed.
    const outcome = llmos(['backup', backup, '--nats', full.url], (text) => {
      if (text.includes('whether a kernel')) void renew();
    });
    expect((await outcome).err).toContain('a kernel works');
    await succeed('backup', full);
  });

  it('does not write into a folder that holds something else', async () => {
    const full = await startFull();
    backup = folder;
    writeFileSync(join(folder, 'notes.txt'), 'mine');
    expect(await fail('backup', full)).toContain('is no backup');
  });
});

describe('restore', () => {
  it('overwrites nothing: it names what is there and leaves the server as it is', async () => {
    await succeed('backup', await startFull());
    const other = await startEmpty();
    await other.manager.streams.add({ name: 'LLMOS_DEAD', subjects: ['dead.*'] });
    await other.connection.jetstream(PATIENT).publish('dead.1', BODY);
    expect(await fail('restore', other)).toContain('has LLMOS_DEAD (1 messages)');
    expect(await namesAt(other)).toEqual(['LLMOS_DEAD']);
  });

  it('goes on where it was cut short, the leadership first', async () => {
    await succeed('backup', await startFull());
    const other = await startEmpty();
    await interrupt('restore', other, '%  LLMOS_RESULTS');
    const first = await namesAt(other);
    expect(first).toContain('KV_llmos_leader');
    expect(first.length).toBeLessThan(STREAMS.length);
    expect(await succeed('restore', other)).toContain('were there already');
    expect(await namesAt(other)).toEqual(STREAMS);
    const { config, state } = await other.manager.streams.info('LLMOS_RESULTS');
    expect({ age: config.max_age, messages: state.messages }).toEqual({
      age: 3_600e9,
      messages: 50,
    });
  });

  it('replaces the part that a server kept of the stream that was cut short, and only that', async () => {
    const full = await startFull();
    await succeed('backup', full);
    const other = await startEmpty();
    await succeed('restore', other);
    // To a backup of more messages of the same stream, what is there is a part.
    await full.connection.jetstream(PATIENT).publish('dead.more', BODY);
    backup = join(folder, 'later');
    await succeed('backup', full);
    expect(await fail('restore', other)).toContain('has LLMOS_DEAD (50 messages)');
    writeFileSync(join(backup, 'restoring'), 'LLMOS_TASKS');
    expect(await fail('restore', other)).toContain('has LLMOS_DEAD (50 messages)');
    writeFileSync(join(backup, 'restoring'), 'LLMOS_DEAD');
    await succeed('restore', other);
    expect((await other.manager.streams.info('LLMOS_DEAD')).state.messages).toBe(51);
    expect(existsSync(join(backup, 'restoring'))).toBe(false);
  });

  it('refuses a file that is not what was written, before it restores anything', async () => {
    await succeed('backup', await startFull());
    appendFileSync(join(backup, 'LLMOS_DEAD.snapshot'), 'x');
    const other = await startEmpty();
    expect(await fail('restore', other)).toContain('LLMOS_DEAD.snapshot is not what was written');
    expect(await namesAt(other)).toEqual([]);
  });

  it('removes what came out as something else than was backed up', async () => {
    await succeed('backup', await startFull());
    changeManifest(({ streams }) => {
      const dead = streams.find(({ name }) => name === 'LLMOS_DEAD');
      Object.assign(dead?.['rawState'] as object, { messages: 51 });
    });
    const other = await startEmpty();
    expect(await fail('restore', other)).toContain('with 50 of 51 messages');
    expect(await namesAt(other)).not.toContain('LLMOS_DEAD');
  });

  it('says what is missing where the server has too little room', async () => {
    await succeed('backup', await startFull());
    const small = await startEmpty({ maxStoreBytes: 20 * MIB });
    const refusal = await fail('restore', small);
    expect(refusal).toMatch(/reserve 30 MiB, .* room for about 20 MiB: 10 MiB are missing/);
    expect(await namesAt(small)).toEqual([]);
  });

  it('says so where the disk of the server fills up, and goes on with room again', async () => {
    const full = await startFull();
    const jetstream = full.connection.jetstream(PATIENT);
    for (let n = 0; n < 8; n += 1) await jetstream.publish('dead.large', randomBytes(MIB / 2));
    await succeed('backup', full);
    const disk = mountSmallDisk(64 * MIB);
    if (disk === undefined) return;
    closers.push(() => Promise.resolve(disk.remove()));
    const config = `jetstream { store_dir: "${disk.folder}" }`;
    const other = await startEmpty({ jetstream: false, config });
    disk.leaveFree(2 * MIB);
    expect(await fail('restore', other)).toMatch(/could not write LLMOS_DEAD .*disk full/);
    disk.leaveFree(64 * MIB);
    await succeed('restore', other);
    expect((await other.manager.streams.info('LLMOS_DEAD')).state.messages).toBe(58);
  });

  it('refuses the files of a newer server', async () => {
    await succeed('backup', await startFull());
    changeManifest((manifest) => (manifest.serverVersion = '99.1.0'));
    const other = await startEmpty();
    expect(await fail('restore', other)).toContain('restore into 99.1 or newer');
    expect(await namesAt(other)).toEqual([]);
  });
});

describe('of an `llmos up`', () => {
  const alone = (name: string, mayBegin = true): Promise<StoppedSystem> =>
    openStoppedSystem({ dataDir: join(folder, name), mayBegin, report: () => undefined });
  const at = (command: string, name: string) =>
    llmos([command, backup, '--data', join(folder, name)]);

  it('the store of a stopped one goes into another one, and is that of its next start', async () => {
    const first = await alone('first');
    closers.push(() => first.stop());
    const connection = await connect({ servers: first.natsUrl });
    closers.push(() => connection.close());
    await fill({ connection, manager: await connection.jetstreamManager(PATIENT) });
    await connection.close();
    expect((await at('backup', 'first')).err).toContain('is starting');
    await first.stop();

    expect(await at('backup', 'first')).toMatchObject({ exitCode: 0 });
    expect(await at('restore', 'second')).toMatchObject({ exitCode: 0 });
    expect((await at('restore', 'second')).out).toContain('4 of them were there already');

    const second = await alone('second', false);
    closers.push(() => second.stop());
    const other = await connect({ servers: second.natsUrl });
    closers.push(() => other.close());
    const { state } = await (await other.jetstreamManager(PATIENT)).streams.info('LLMOS_TASKS');
    expect(state.messages).toBe(50);
  });

  it('a folder without one is no system to back up, and is left as it is', async () => {
    expect((await at('backup', 'nowhere')).err).toContain('holds no system');
    expect(existsSync(join(folder, 'nowhere'))).toBe(false);
  });
});

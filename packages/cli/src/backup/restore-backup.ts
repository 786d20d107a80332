/**
 * Puts the streams of a backup into servers that have none of them.
 *
 * R1: nothing is overwritten: a stream that is there must be what the backup holds (an earlier try
 *     put it there, or it never left), or nothing at all is restored.
 * R2: the leadership comes first: a kernel that is started too early then finds a system that has
 *     existed and streams that are missing, and stops instead of making them anew.
 * R3: each stream comes with one replica and without a maximal age, and is compared with what was
 *     backed up before it gets either: expired messages would look like lost ones, and servers have
 *     lost streams that were restored to three replicas at once.
 * R4: a server that dies in the middle may come back with a part of the stream. It is removed and
 *     restored once more where the folder says that a restore was about it, and the server that it
 *     is of the backed up stream and ends before it: what goes on there has other numbers.
 */
import { BUCKETS, LlmosError, tellingBytes } from '@llmos/base';
import { CLI_LIMITS } from '../limits';
import type { BackupFolder } from './backup-folder';
import { assertIdle } from './idle-system';
import type { BackedUpStream, Manifest, StreamConfigRecord } from './manifest';
import { isOwnStream } from './manifest';
import { assertRoom } from './restore-room';
import type { StreamLook, StreamServer } from './stream-server';
import { assertVersion } from './server-version';
import type { BackupProgress } from './take-backup';
import { verifyFiles } from './take-backup';

export interface RestoreOptions extends BackupProgress {
  readonly server: StreamServer;
  readonly folder: BackupFolder;
}

export interface RestoredSystem {
  readonly manifest: Manifest;
  readonly replicas: number;
  /** Those that an earlier try had restored. */
  readonly skipped: readonly string[];
}

const LEADER_STREAM = `KV_${BUCKETS.leader}`;
const MAX_REPLICAS = 3;

/** Idempotent: streams that are there and equal are left as they are. */
export async function restoreBackup(options: RestoreOptions): Promise<RestoredSystem> {
  const { server, folder } = options;
  const manifest = await folder.read();
  if (manifest?.isComplete !== true) throw incomplete(folder, manifest);
  assertVersion({ from: manifest.serverVersion, to: server.version });
  await assertIdle(server, { what: 'restore', onWait: options.onStep });
  const { there, cutShort } = await assertNothingElse(options, manifest);
  await verifyFiles(options, manifest);
  if (cutShort !== undefined) await server.remove(cutShort);
  const missing = manifest.streams.filter(({ name }) => !there.has(name)).sort(leaderFirst);
  const replicas = await chooseReplicas(options);
  await assertRoom(server, missing, replicas);
  await restoreAll(options, missing);
  await folder.noteRestoring(undefined);
  for (const stream of manifest.streams) {
    options.onStep(`${stream.name}: ${replicas === 1 ? 'its settings' : `${replicas} replicas`}`);
    await settle(server, stream, replicas);
  }
  return { manifest, replicas, skipped: [...there] };
}

/**
 * As many as servers take a stream: one of them may run without JetStream. Servers that have just
 * started come to know each other within seconds; until then, fewer of them than there are look
 * like all, and with two replicas the system stands still with either server.
 */
export async function chooseReplicas({
  server,
  onStep,
}: Pick<RestoreOptions, 'server' | 'onStep'>): Promise<number> {
  const untilMs = performance.now() + CLI_LIMITS.clusterWaitMs;
  for (let most = MAX_REPLICAS; server.isClustered && most > 1;) {
    const replicas = Math.min(most, server.serverCount);
    const isLate = performance.now() >= untilMs;
    const isTried = replicas > 1 && (replicas === MAX_REPLICAS || isLate);
    if (isTried && (await server.hasRoom(CLI_LIMITS.probeBytes, replicas))) return replicas;
    onStep(`waiting for ${most} servers`);
    if (isLate) most = replicas - 1;
    else await server.pause();
  }
  return 1;
}

function incomplete(folder: BackupFolder, manifest: Manifest | undefined): LlmosError {
  const message =
    manifest === undefined
      ? `${folder.path} holds no backup`
      : `the backup in ${folder.path} was cut short: give the command that took it again`;
  return new LlmosError('FAILED_PRECONDITION', message);
}

function leaderFirst(one: BackedUpStream, other: BackedUpStream): number {
  return Number(other.name === LEADER_STREAM) - Number(one.name === LEADER_STREAM);
}

interface Present {
  /** Restored already, or never gone. */
  readonly there: ReadonlySet<string>;
  /** A part of one (R4). */
  readonly cutShort: string | undefined;
}

/** Rejects with ALREADY_EXISTS where any other stream of llmos is there. */
async function assertNothingElse(
  { server, folder }: RestoreOptions,
  manifest: Manifest,
): Promise<Present> {
  const there = new Set<string>();
  const others: string[] = [];
  let cutShort: string | undefined;
  const begun = await folder.readRestoring();
  for (const name of (await server.names()).filter(isOwnStream)) {
    const stream = manifest.streams.find((each) => each.name === name);
    const look = name === begun ? await findNow(server, name) : await server.find(name);
    if (stream !== undefined && name === begun && isCutShort(manifest, stream, look))
      cutShort = name;
    else if (look === undefined) continue;
    else if (stream !== undefined && isSame(stream, look)) there.add(name);
    else others.push(`${name} (${look.state.messages} messages)`);
  }
  if (others.length === 0) return { there, cutShort };
  throw new LlmosError(
    'ALREADY_EXISTS',
    `this NATS server has ${others.join(', ')}: nothing is restored over what is there. ` +
      'Use servers that are empty',
    { details: { streams: others } },
  );
}

/**
 * A single server keeps the time at which the stream was first made, a cluster takes that of the
 * restore: later than the backup, which the stream that was backed up never is.
 *
 * @param look undefined where the cluster lists it, and no server has it.
 */
function isCutShort(
  { createdAt }: Manifest,
  stream: BackedUpStream,
  look: StreamLook | undefined,
): boolean {
  if (look === undefined) return true;
  const isRestored = Date.parse(look.created) > Date.parse(createdAt);
  if (look.created !== stream.created && !isRestored) return false;
  return look.state.lastSequence < stream.state.lastSequence;
}

/** Equal, but for what has expired since; one that never held anything equals only such a one. */
function isSame(stream: BackedUpStream, look: StreamLook): boolean {
  const { state } = stream;
  if (state.lastSequence !== look.state.lastSequence) return false;
  if (isEqual(stream, look)) return true;
  const isAged = Number(look.config['max_age'] ?? 0) > 0;
  return isAged && look.state.messages < state.messages;
}

function isEqual({ state }: BackedUpStream, look: StreamLook): boolean {
  return (
    state.messages === look.state.messages &&
    state.bytes === look.state.bytes &&
    state.lastSequence === look.state.lastSequence &&
    (state.messages === 0 || state.firstSequence === look.state.firstSequence)
  );
}

async function restoreAll(
  options: RestoreOptions,
  streams: readonly BackedUpStream[],
): Promise<void> {
  const total = streams.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
  let bytes = 0;
  for (const stream of streams) {
    await options.folder.noteRestoring(stream.name);
    await restoreOne(options, stream, (more) => {
      bytes += more;
      options.onShare(bytes / total, stream.name);
    });
  }
}

async function restoreOne(
  { server, folder }: RestoreOptions,
  stream: BackedUpStream,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const { name, rawState } = stream;
  const config = { ...stream.config, num_replicas: 1, max_age: 0 };
  const parts = folder.readSnapshot(name, server.partBytes);
  await server.restore({ config, rawState }, tellingBytes(parts, onBytes));
  const look = await untilFound(server, name);
  if (isEqual(stream, look)) return;
  // It is ours, made a moment ago, and would be taken for the whole.
  await server.remove(name);
  throw new LlmosError(
    'DATA_LOSS',
    `${name} was restored with ${look.state.messages} of ${stream.state.messages} messages, ` +
      `${look.state.bytes} of ${stream.state.bytes} bytes, up to ${look.state.lastSequence} of ` +
      `${stream.state.lastSequence}, and removed again: nothing of it is used`,
  );
}

/** A cluster needs a moment before its new stream has a leader. */
async function untilFound(server: StreamServer, name: string): Promise<StreamLook> {
  const untilMs = performance.now() + CLI_LIMITS.streamWaitMs;
  for (;;) {
    const look = await findNow(server, name);
    if (look !== undefined && look.currentReplicas > 0) return look;
    if (performance.now() >= untilMs) {
      throw new LlmosError('UNAVAILABLE', `${name} was restored and does not show: try again`);
    }
    await server.pause();
  }
}

/** undefined also while a cluster can't say. */
async function findNow(server: StreamServer, name: string): Promise<StreamLook | undefined> {
  try {
    return await server.find(name);
  } catch (error) {
    if (error instanceof LlmosError && error.code === 'UNAVAILABLE') return undefined;
    throw error;
  }
}

/** Gives it its replicas and its maximal age, once the replicas have all of it. */
async function settle(
  server: StreamServer,
  stream: BackedUpStream,
  replicas: number,
): Promise<void> {
  const { name } = stream;
  const look = await untilFound(server, name);
  if (look.config['num_replicas'] !== replicas) {
    await server.update(name, { num_replicas: replicas });
  }
  await untilCurrent(server, name, replicas);
  const age: StreamConfigRecord = { max_age: stream.config['max_age'] ?? 0 };
  if (look.config['max_age'] !== age['max_age']) await server.update(name, age);
}

async function untilCurrent(server: StreamServer, name: string, replicas: number): Promise<void> {
  const untilMs = performance.now() + CLI_LIMITS.replicaWaitMs;
  for (;;) {
    const look = await findNow(server, name);
    if (look !== undefined && look.currentReplicas >= replicas) return;
    if (performance.now() >= untilMs) {
      const current = look?.currentReplicas ?? 0;
      const message = `only ${current} of ${replicas} servers have all of ${name}: try again`;
      throw new LlmosError('UNAVAILABLE', message);
    }
    await server.pause();
  }
}

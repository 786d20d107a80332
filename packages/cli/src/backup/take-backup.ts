/**
 * Takes every stream of a stopped system into a folder.
 *
 * B1: the streams are of one moment. They are taken one after the other, then all are looked at
 *     again: what took in anything meanwhile is taken once more, until a round finds nothing.
 * B2: a kernel that began meanwhile is an error: its work would be in some streams only.
 * B3: only after all files were read back is the backup said to be complete.
 */
import { LlmosError } from '@llmos/base';
import { CLI_LIMITS } from '../limits';
import type { BackupFolder } from './backup-folder';
import { assertIdle } from './idle-system';
import type { BackedUpStream, Manifest } from './manifest';
import { isOwnStream, parseState } from './manifest';
import type { StreamLook, StreamServer } from './stream-server';

export interface BackupProgress {
  /** @param share of the whole, from 0 to 1. */
  readonly onShare: (share: number, text: string) => void;
  readonly onStep: (text: string) => void;
}

export interface BackupOptions extends BackupProgress {
  readonly server: StreamServer;
  readonly folder: BackupFolder;
  readonly llmosVersion: string;
  readonly createdAt: string;
}

/** Idempotent: what an earlier try has taken, and has not changed, is not taken again. */
export async function takeBackup(options: BackupOptions): Promise<Manifest> {
  const { server, folder } = options;
  const earlier = await folder.read();
  if (earlier?.isComplete === true) {
    throw new LlmosError(
      'ALREADY_EXISTS',
      `${folder.path} holds a backup of ${earlier.createdAt}: name another folder`,
    );
  }
  await assertIdle(server, { what: 'back up', onWait: options.onStep });
  const { revision } = await server.leaderRecord();
  let manifest: Manifest = {
    isComplete: false,
    createdAt: options.createdAt,
    llmosVersion: options.llmosVersion,
    serverVersion: server.version,
    streams: earlier?.streams ?? [],
  };
  await folder.writeManifest(manifest);
  manifest = await takeUntilStill(options, manifest);
  if ((await server.leaderRecord()).revision !== revision) throw begun();
  await verifyFiles(options, manifest);
  const whole: Manifest = { ...manifest, isComplete: true };
  await folder.writeManifest(whole);
  return whole;
}

async function takeUntilStill(options: BackupOptions, begun: Manifest): Promise<Manifest> {
  let manifest = begun;
  for (let round = 1; round <= CLI_LIMITS.backupRounds; round += 1) {
    const looks = await lookAtAll(options.server);
    const kept = manifest.streams.filter((stream) => {
      const look = looks.find(({ name }) => name === stream.name);
      return look !== undefined && isUnchanged(stream, look, round > 1);
    });
    manifest = { ...manifest, streams: kept };
    const open = looks.filter(({ name }) => !kept.some((stream) => stream.name === name));
    if (open.length === 0) return manifest;
    manifest = await takeAll(options, manifest, open);
  }
  throw new LlmosError(
    'FAILED_PRECONDITION',
    'the streams do not come to rest: stop the workers, and the clients that hand tasks in',
  );
}

/** Messages that expire while it runs change nothing; before it, they make another stream of it. */
function isUnchanged(stream: BackedUpStream, look: StreamLook, mayExpire: boolean): boolean {
  const { state } = stream;
  if (stream.created !== look.created) return false;
  if (state.lastSequence !== look.state.lastSequence) return false;
  return mayExpire || state.messages === look.state.messages;
}

async function lookAtAll(server: StreamServer): Promise<readonly StreamLook[]> {
  const looks: StreamLook[] = [];
  for (const name of (await server.names()).filter(isOwnStream)) {
    const look = await server.find(name);
    if (look !== undefined) looks.push(look);
  }
  if (looks.length > 0) return looks.sort((one, other) => (one.name < other.name ? -1 : 1));
  throw new LlmosError('NOT_FOUND', 'this NATS server has no stream of llmos: nothing to back up');
}

async function takeAll(
  options: BackupOptions,
  begun: Manifest,
  looks: readonly StreamLook[],
): Promise<Manifest> {
  let manifest = begun;
  const total = looks.reduce((sum, { state }) => sum + weightOf(state.bytes), 0);
  let done = 0;
  for (const look of looks) {
    const weight = weightOf(look.state.bytes);
    const taken = await takeStream(options, look, (bytes) => {
      // Files are smaller than what they hold; a stream is at its end when it says so.
      const share = Math.min(weight, bytes) / total;
      options.onShare(done / total + share, look.name);
    });
    done += weight;
    manifest = { ...manifest, streams: [...manifest.streams, taken] };
    await options.folder.writeManifest(manifest);
  }
  return manifest;
}

/** An empty stream takes time as well. */
function weightOf(bytes: number): number {
  return bytes + 1;
}

async function takeStream(
  { server, folder }: BackupOptions,
  look: StreamLook,
  onBytes: (bytes: number) => void,
): Promise<BackedUpStream> {
  const { name, created } = look;
  // The consumers of a work queue are a leader's own: the next one makes its own, and gets
  // everything that is not acknowledged.
  const hasConsumers = look.config['retention'] !== 'workqueue';
  let bytes = 0;
  let snapshot: Awaited<ReturnType<StreamServer['snapshot']>> | undefined;
  const written = await folder.writeSnapshot(name, async (write) => {
    snapshot = await server.snapshot(name, {
      hasConsumers,
      write: async (part) => {
        await write(part);
        onBytes((bytes += part.byteLength));
      },
    });
  });
  const state = snapshot === undefined ? undefined : parseState(snapshot.rawState);
  if (snapshot === undefined || state === undefined) {
    throw new LlmosError('INTERNAL', `the NATS server does not say what ${name} holds`);
  }
  const { config, rawState } = snapshot;
  return { name, created, config, state, rawState, ...written };
}

/** @throws DATA_LOSS where a file is not what was written. */
export async function verifyFiles(
  of: BackupProgress & { readonly folder: BackupFolder },
  manifest: Manifest,
): Promise<void> {
  const total = manifest.streams.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
  let bytes = 0;
  for (const stream of manifest.streams) {
    await of.folder.verify(stream, (more) => {
      bytes += more;
      of.onShare(bytes / total, `checking ${stream.name}`);
    });
  }
}

function begun(): LlmosError {
  return new LlmosError(
    'FAILED_PRECONDITION',
    'a kernel began while the backup was taken: stop it, then give the same command again',
  );
}

/**
 * Makes, at the start of a kernel, the streams, buckets and object stores that are not there yet.
 *
 * Any number of kernels may do it at once. Where a system has existed (store-record.ts) no store is
 * made anew and none is ever made smaller: what is missing holds acknowledged work that the server
 * did not restore, and over a new stream of its name the server cuts or deletes it. An existing
 * store keeps a larger budget and more replicas; one of another kind is an error that names it.
 *
 * The order is the proof (S1–S4): read the record, look at the stores, make what is missing, write
 * the record.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger, StoreBehind } from '@llmos/base';
import { LlmosError } from '@llmos/base';
import { describeApiError, isApiError, isUnavailable, isNatsError, isRefused } from '@llmos/wire';
import type { JetStreamManager, NatsConnection, StreamConfig } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import type { Budgets } from './store-budgets';
import { gainOf, growthOf, leastBudgets, sumOf } from './store-budgets';
import { assertNothingHidden, forgetHidden } from './hidden-streams';
import { assertNoneBehind, assertNoneLost, assertNoneMisread, mebibytes } from './lost-stores';
import { lowerNotedSequences, readNotedSequences } from './noted-sequences';
import { StoreRoom, isLackOfRoom } from './store-room';
import type { FoundStore } from './store-record';
import {
  LEADER_STORE,
  readStoreRecord,
  storesThatExisted,
  storesThatWentBack,
  writeStoreRecord,
} from './store-record';
import { wantedStores } from './streams';
import type { StoreOptions, WantedStore } from './streams';

export interface PrepareOptions extends StoreOptions {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly log: Logger;
  /**
   * Names of stores that are given up as far as they are lost: made anew, empty, where they are
   * missing, and taken as they are where messages are gone.
   */
  readonly makeAnew: readonly string[];
}

interface Found extends FoundStore {
  readonly firstSequence: number;
  readonly config: StreamConfig;
}

/** One look: what is wanted and there, what is wanted and not there, and what was once there. */
interface Look {
  readonly existing: ReadonlyMap<string, Found>;
  readonly missing: readonly WantedStore[];
  readonly existed: Budgets;
  /** Those that are there without what they held, and not given up. */
  readonly behind: readonly StoreBehind[];
}

/**
 * Idempotent; answers what each store may hold. Rejects with FAILED_PRECONDITION where something
 * was lost, is of another kind, or is refused by the server.
 */
export async function prepareStores(options: PrepareOptions): Promise<Budgets> {
  try {
    return await prepare(options);
  } catch (error) {
    throw inPlainWords(error);
  }
}

async function prepare(options: PrepareOptions): Promise<Budgets> {
  const wanted = wantedStores(options);
  const replicas = replicasOf(options.connection);
  const room = new StoreRoom({ manager: options.manager, replicas });
  for (let tries = 1; ; tries += 1) {
    const look = await lookUntilSettled(options, wanted);
    assertNoneMisread(look.existing, options.connection.info?.version);
    assertKinds(wanted, look);
    const isCluster = options.connection.info?.cluster !== undefined;
    if (look.existing.size === 0 && isCluster) await assertNothingHidden(options);
    assertNoneLost({ ...look, makeAnew: options.makeAnew });
    assertNoneBehind(look.behind);
    const isMade = await makeMissing(options, look, room);
    if (isMade) {
      await alignExisting(options, { wanted, look, replicas });
      await growExisting(options, { wanted, look, room });
      break;
    }
    // Another kernel makes the same: what it has made shows in the next look.
    if (tries === EDGE_LIMITS.prepareTries) throw crowded(look.missing, room.failure);
    await pause(EDGE_LIMITS.prepareRetryMs);
  }
  const made = await lookAtStores(options, wanted);
  const jetstream = options.connection.jetstream({ timeout: EDGE_LIMITS.requestTimeoutMs });
  const budgets = budgetsOf(made.existing);
  await writeStoreRecord({ manager: options.manager, jetstream }, budgets);
  const lastOf = (name: string): number => made.existing.get(name)?.lastSequence ?? 0;
  const givenUp = new Map(options.makeAnew.map((name) => [name, lastOf(name)]));
  await lowerNotedSequences({ manager: options.manager, jetstream }, givenUp);
  await forgetHidden(options.manager);
  return budgets;
}

/** Only the last look counts: a cluster that has just started may not know yet what it holds. */
async function lookUntilSettled(
  options: PrepareOptions,
  wanted: readonly WantedStore[],
): Promise<Look> {
  for (let looks = 1; ; looks += 1) {
    const look = await lookAtStores(options, wanted);
    if (look.behind.length === 0 || looks === EDGE_LIMITS.hiddenLooks) return look;
    await pause(EDGE_LIMITS.prepareRetryMs);
  }
}

async function lookAtStores(
  { manager, makeAnew }: PrepareOptions,
  wanted: readonly WantedStore[],
): Promise<Look> {
  const { stores } = await readStoreRecord(manager);
  const noted = stores === undefined ? new Map() : await readNotedSequences(manager);
  const existing = new Map<string, Found>();
  const names = wanted.map(({ config }) => config.name);
  const infos = await Promise.all(names.map((name) => findStore(manager, name)));
  for (const found of infos) if (found !== undefined) existing.set(found.config.name, found);
  const missing = wanted.filter(({ config }) => !existing.has(config.name));
  const behind = storesThatWentBack({ record: stores, noted }, existing);
  return {
    existing,
    missing,
    existed: storesThatExisted(stores, existing),
    behind: behind.filter(({ name }) => !makeAnew.includes(name)),
  };
}

async function findStore(manager: JetStreamManager, name: string): Promise<Found | undefined> {
  try {
    const { config, state } = await manager.streams.info(name);
    return { config, firstSequence: state.first_seq, lastSequence: state.last_seq };
  } catch (error) {
    if (isApiError(error, 'streamNotFound')) return undefined;
    throw error;
  }
}

function budgetsOf(existing: ReadonlyMap<string, Found>): Budgets {
  return new Map([...existing].map(([name, { config }]) => [name, Math.max(0, config.max_bytes)]));
}

function wantedBudgets(stores: readonly WantedStore[]): Budgets {
  return new Map(
    stores.flatMap(({ config }): [string, number][] =>
      config.max_bytes === undefined ? [] : [[config.name, config.max_bytes]],
    ),
  );
}

/** False where someone else made something meanwhile, or takes the room for it: look again. */
async function makeMissing(options: PrepareOptions, look: Look, room: StoreRoom): Promise<boolean> {
  const isBeginning = !look.existing.has(LEADER_STORE);
  for (const { config } of isBeginning ? look.missing : []) {
    // The bucket of the record is made first: whoever looks from now on sees a beginning (S3).
    if (config.name === LEADER_STORE && !(await make(options, config, room))) return false;
  }
  const wanted = new Map(
    [...wantedBudgets(look.missing)].map(([name, bytes]) => {
      // What is made anew on purpose is as large as it was: its files may still be there.
      return [name, Math.max(bytes, look.existed.get(name) ?? 0)];
    }),
  );
  const fitted = await room.fit(wanted);
  if (fitted === 'busy') return false;
  if (fitted === 'too-small') throw tooSmall(wanted, options);
  if (sumOf(fitted) < sumOf(wanted)) {
    const { storageBytes } = options;
    options.log.warn('storage-fitted', { wantedBytes: storageBytes, madeBytes: sumOf(fitted) });
  }
  for (const { config } of look.missing) {
    if (config.name === LEADER_STORE) continue;
    const max_bytes = fitted.get(config.name);
    const sized = max_bytes === undefined ? config : { ...config, max_bytes };
    if (!(await make(options, sized, room))) return false;
  }
  return true;
}

/** False where it can't be made just now: someone else was first, or took the room for it. */
async function make(
  options: PrepareOptions,
  config: WantedStore['config'],
  room: StoreRoom,
): Promise<boolean> {
  try {
    const num_replicas = await room.replicas();
    await options.manager.streams.add({ ...config, num_replicas });
    return true;
  } catch (error) {
    if (isApiError(error, 'streamNameInUse') || isLackOfRoom(error)) return false;
    // An older server may say so of two kernels that make the same stream at once.
    if (isApiError(error, 'subjectsOverlap') && (await comesSoon(options, config.name))) {
      return false;
    }
    throw notMade(config, error);
  }
}

async function comesSoon(options: PrepareOptions, name: string): Promise<boolean> {
  await pause(EDGE_LIMITS.prepareRetryMs);
  return (await findStore(options.manager, name)) !== undefined;
}

/** What the server can't do just now passes as it is: it is tried again. */
function inPlainWords(error: unknown): unknown {
  if (!isNatsError(error) || isUnavailable(error)) return error;
  const reason = describeApiError(error);
  const message =
    `the streams, buckets and object stores of llmos can't be prepared: ${reason}. ` +
    'The kernel needs every subject that begins with llmos., $KV.llmos_ and $O.llmos_ for itself, ' +
    'and an account whose limits leave room for them';
  return new LlmosError('FAILED_PRECONDITION', message, { cause: error });
}

function notMade(config: WantedStore['config'], cause: unknown): unknown {
  return refusal(`${config.name} can't be created`, config, cause);
}

function refusal(what: string, config: WantedStore['config'], cause: unknown): unknown {
  if (!isRefused(cause) || isUnavailable(cause)) return cause;
  const others = `: another stream listens to one of ${config.subjects.join(', ')}`;
  const reason = describeApiError(cause) + (isApiError(cause, 'subjectsOverlap') ? others : '');
  return new LlmosError('FAILED_PRECONDITION', `stream ${what}: ${reason}`, { cause });
}

function tooSmall(wanted: Budgets, options: StoreOptions): LlmosError {
  const leastBytes = sumOf(leastBudgets(wanted));
  return new LlmosError(
    'FAILED_PRECONDITION',
    `the streams need room for ${mebibytes(leastBytes)} at least ` +
      `(of LLMOS_STORAGE_BYTES, ${mebibytes(options.storageBytes)}), and the NATS server has less: ` +
      'give it more (max_file_store, room on its disk), or another server',
    { details: { leastBytes } },
  );
}

function crowded(missing: readonly WantedStore[], failure?: string): LlmosError {
  const names = missing.map(({ config }) => config.name).join(', ');
  const why = failure === undefined ? '' : ` (it says: ${failure})`;
  return new LlmosError(
    'UNAVAILABLE',
    `${names} can't be made: others take the room or the names at the NATS server${why}; start again`,
    { retryable: true },
  );
}

/** min(3, servers): every server of a cluster is named in what the server tells its clients. */
function replicasOf(connection: NatsConnection): number {
  const info = connection.info;
  if (info?.cluster === undefined) return 1;
  return Math.min(EDGE_LIMITS.maxReplicas, Math.max(1, info.connect_urls?.length ?? 1));
}

/** What JetStream can't change later, and what the protocol depends on. */
function assertKinds(wanted: readonly WantedStore[], look: Look): void {
  for (const { config } of wanted) {
    const existing = look.existing.get(config.name)?.config;
    if (existing === undefined) continue;
    for (const field of ['retention', 'storage'] as const) {
      if (existing[field] === config[field]) continue;
      throw new LlmosError(
        'FAILED_PRECONDITION',
        `stream ${config.name} exists with ${field} ${existing[field]}, ` +
          `but must have ${String(config[field])}: remove it, or use another server`,
      );
    }
    const oddity = oddityOf(existing);
    if (oddity === undefined) continue;
    throw new LlmosError(
      'FAILED_PRECONDITION',
      `stream ${config.name} exists and ${oddity}: copy what it holds, and remove it, ` +
        'or use another server',
    );
  }
}

/** What would keep the system from its work, or mix in what others write, and stays for good. */
function oddityOf(config: StreamConfig): string | undefined {
  if (config.sealed) return 'is sealed, so it takes nothing more';
  if (config.mirror !== undefined) return `is a mirror of ${config.mirror.name}`;
  const [source] = config.sources ?? [];
  if (source !== undefined) return `takes in what ${source.name} holds`;
  const most = config.max_consumers;
  return most > 0 ? `allows ${most} consumers only` : undefined;
}

interface Existing {
  readonly wanted: readonly WantedStore[];
  readonly look: Look;
}

async function alignExisting(
  options: PrepareOptions,
  of: Existing & { readonly replicas: number },
): Promise<void> {
  for (const store of of.wanted) {
    const existing = of.look.existing.get(store.config.name)?.config;
    if (existing === undefined) continue;
    const changes = changesOf(existing, store);
    if (changes !== undefined) {
      options.log.info('stream-updated', { stream: existing.name });
      await align(options.manager, store.config, changes);
    }
    if (existing.num_replicas < of.replicas)
      await raiseReplicas(options, existing.name, of.replicas);
  }
}

async function align(
  manager: JetStreamManager,
  config: WantedStore['config'],
  changes: Partial<StreamConfig>,
): Promise<void> {
  try {
    await manager.streams.update(config.name, changes);
  } catch (error) {
    const fields = Object.keys(changes).join(', ');
    throw refusal(`${config.name} can't be given the right ${fields}`, config, error);
  }
}

function changesOf(existing: StreamConfig, wanted: WantedStore): Partial<StreamConfig> | undefined {
  const changed = wanted.aligned.filter((field) => {
    const value = wanted.config[field];
    return value !== undefined && comparable(existing[field]) !== comparable(value);
  });
  if (changed.length === 0) return undefined;
  return Object.fromEntries(changed.map((field) => [field, wanted.config[field]]));
}

/** A server leaves out what is false. */
function comparable(value: unknown): string {
  if (value === false) return comparable(undefined);
  return JSON.stringify(Array.isArray(value) ? [...(value as unknown[])].sort() : (value ?? null));
}

/** One that was made while fewer servers were up; it works as it is until it can be raised. */
async function raiseReplicas(options: PrepareOptions, name: string, replicas: number) {
  try {
    await options.manager.streams.update(name, { num_replicas: replicas });
    options.log.info('stream-updated', { stream: name, replicas });
  } catch (error) {
    options.log.warn('replicas-not-raised', { stream: name, reason: describeApiError(error) });
  }
}

/** Gives existing streams the larger budgets that are asked for: all of them, or none. */
async function growExisting(
  options: PrepareOptions,
  of: Existing & { readonly room: StoreRoom },
): Promise<void> {
  const existing = budgetsOf(of.look.existing);
  const growth = growthOf(wantedBudgets(of.wanted), existing);
  if (growth.size === 0) return;
  const gainBytes = gainOf(growth, existing);
  try {
    if (!(await of.room.has(gainBytes))) {
      return options.log.warn('streams-not-grown', { missingBytes: gainBytes });
    }
    for (const [name, max_bytes] of growth) {
      await options.manager.streams.update(name, { max_bytes });
      options.log.info('stream-updated', { stream: name, maxBytes: max_bytes });
    }
  } catch (error) {
    // Streams that stay as they are still work.
    options.log.warn('streams-not-grown', {
      missingBytes: gainBytes,
      reason: describeApiError(error),
    });
  }
}

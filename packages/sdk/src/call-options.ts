/** What callers may ask for besides the input, checked and written as headers of the task. */
import type { LlmosErrorOptions, TaskClass, TaskId, TaskKey } from '@llmos/base';
import {
  HEADERS,
  LlmosError,
  MAX_PRIORITY,
  TASK_CLASSES,
  WIRE_LIMITS,
  isRecord,
  isTaskClass,
  quoteShort,
  tryToken,
} from '@llmos/base';

/** Options of everything that makes a task. */
export interface TaskOptions {
  /** Aborting it ends the wait with CANCELLED and cancels the task. */
  readonly signal?: AbortSignal;
  /**
   * Milliseconds until the task expires with DEADLINE_EXCEEDED, 1 to 12 h.
   * Of a call, also how long the caller waits; default: the client's `timeoutMs` (60 s).
   */
  readonly timeoutMs?: number;
  /**
   * The same as a point in time of this machine's clock; a number is milliseconds since 1970. The
   * earlier one holds. What is left of it is sent, so that no two clocks are compared.
   */
  readonly deadline?: Date | number;
  /** Default `interactive` for calls and streams, `standard` for `submit`. */
  readonly class?: TaskClass;
  /** 0 to 9, 9 first; default 5. */
  readonly priority?: number;
  /** Tasks of one key run one at a time and in order. */
  readonly key?: string;
  /** Tries before the task ends as a dead letter, 1 to 100; default 3. */
  readonly maxAttempts?: number;
  /**
   * Task id and idempotency key, `[A-Za-z0-9_-]{1,64}`: a second task with the id of an earlier
   * one has its result. Default: a new random one.
   */
  readonly id?: string;
  /**
   * Milliseconds for which the result is wanted after it was stored, 1 to 24 h. It is kept at least
   * so long, and a task with an `id` of yours lives no longer. Default: 2 minutes for a call without
   * an `id`, 24 h otherwise.
   */
  readonly keepMs?: number;
  /** A user or a flow of work within the tenant, `[A-Za-z0-9_-]{1,64}`; not used yet. */
  readonly flow?: string;
  /** Not to be run before; a number is milliseconds since 1970. Carried, not used yet. */
  readonly notBefore?: Date | number;
  /**
   * Whether the task goes on when this client is gone: closed, its program ended, or out of reach
   * for some seconds. Default false for calls and streams, which are then cancelled, and true for
   * `submit`.
   */
  readonly detached?: boolean;
  /** W3C trace context. */
  readonly traceparent?: string;
  /** The task that this one belongs to; it inherits deadline and priority. */
  readonly parent?: string;
  readonly root?: string;
}

/** Options of a task that nobody waits for yet. */
export interface SubmitOptions extends TaskOptions {
  /** Store a generation in chunks as it runs, for `task(id).stream()`; default false. */
  readonly stream?: boolean;
}

/** Options of whatever only waits. */
export interface WaitOptions {
  /** Aborting it ends the wait with CANCELLED; the task goes on. */
  readonly signal?: AbortSignal;
  /** How long to wait, in milliseconds; then DEADLINE_EXCEEDED. */
  readonly timeoutMs?: number;
}

/** Options after checking; times are in milliseconds. */
export interface CheckedOptions {
  readonly id: TaskId;
  /** Chosen by the caller. */
  readonly hasOwnId: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number | undefined;
  readonly deadlineWallMs: number | undefined;
  readonly detached: boolean | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Options of a wait after checking. */
export interface CheckedWait {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Throws INVALID_ARGUMENT that names the option and its value. */
export function checkTaskOptions(options: TaskOptions, newId: () => TaskId): CheckedOptions {
  assertOptions(options);
  const id = options.id === undefined ? newId() : token<TaskId>('id', options.id);
  const timeoutMs = checkTimeout(options.timeoutMs);
  const deadlineWallMs = pointInTime('deadline', options.deadline);
  const maxAttempts = integer('maxAttempts', options.maxAttempts, 1, WIRE_LIMITS.maxAttempts);
  const fields: Record<string, string | number | undefined> = {
    [HEADERS.id]: id,
    [HEADERS.class]: taskClass(options.class),
    [HEADERS.priority]: integer('priority', options.priority, 0, MAX_PRIORITY),
    [HEADERS.key]: options.key === undefined ? undefined : token<TaskKey>('key', options.key),
    [HEADERS.maxAttempts]: maxAttempts,
    [HEADERS.parent]: optionalToken('parent', options.parent),
    [HEADERS.root]: optionalToken('root', options.root),
    [HEADERS.keepMs]: integer('keepMs', options.keepMs, 1, WIRE_LIMITS.resultMaxAgeMs),
    [HEADERS.flow]: optionalToken('flow', options.flow),
    [HEADERS.notBefore]: pointInTime('notBefore', options.notBefore),
    [HEADERS.traceparent]: traceparent(options.traceparent),
  };
  const headers: Record<string, string> = {};
  for (const name in fields) {
    const value = fields[name];
    if (value !== undefined) headers[name] = String(value);
  }
  const signal = checkSignal(options.signal);
  const detached = flag('detached', options.detached);
  const hasOwnId = options.id !== undefined;
  return { id, hasOwnId, headers, timeoutMs, deadlineWallMs, detached, signal };
}

/** Throws as `checkTaskOptions` does. @param defaultMs where no `timeoutMs` is given. */
export function checkWait(options: WaitOptions, defaultMs: number): CheckedWait {
  assertOptions(options);
  const timeoutMs = checkTimeout(options.timeoutMs) ?? defaultMs;
  return { timeoutMs, signal: checkSignal(options.signal) };
}

/** A text or a number in their place would be as if nothing was said. */
export function assertOptions(options: unknown): void {
  if (!isRecord(options))
    throw invalid(`options are ${quoteShort(options)}: they must be an object`);
}

/** Above all, a controller is none. */
export function checkSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined) return undefined;
  const { aborted, addEventListener } = (signal ?? {}) as Partial<AbortSignal>;
  if (typeof aborted === 'boolean' && typeof addEventListener === 'function') {
    return signal as AbortSignal;
  }
  throw invalid(`signal is ${quoteShort(signal)}: it must be an AbortSignal`);
}

function checkTimeout(timeoutMs: number | undefined): number | undefined {
  return integer('timeoutMs', timeoutMs, 1, WIRE_LIMITS.maxTimeoutMs);
}

export function invalid(message: string, options: LlmosErrorOptions = {}): LlmosError {
  return new LlmosError('INVALID_ARGUMENT', message, options);
}

export function token<T extends TaskId | TaskKey>(name: string, value: unknown): T {
  const checked = tryToken<T>(value);
  if (checked !== undefined) return checked;
  throw invalid(`${name} is ${quoteShort(value)}: it must match [A-Za-z0-9_-]{1,64}`);
}

function optionalToken(name: string, value: unknown): string | undefined {
  return value === undefined ? undefined : token(name, value);
}

function integer(name: string, value: unknown, least: number, most: number): number | undefined {
  if (value === undefined) return undefined;
  const isInside = typeof value === 'number' && value >= least && value <= most;
  if (isInside && Number.isInteger(value)) return value;
  throw invalid(`${name} is ${quoteShort(value)}: it must be an integer from ${least} to ${most}`);
}

function flag(name: string, value: unknown): boolean | undefined {
  if (value === undefined || typeof value === 'boolean') return value;
  throw invalid(`${name} is ${quoteShort(value)}: it must be true or false`);
}

function taskClass(value: unknown): TaskClass | undefined {
  if (value === undefined || isTaskClass(value)) return value;
  throw invalid(`class is ${quoteShort(value)}: it must be one of ${TASK_CLASSES.join(', ')}`);
}

function pointInTime(name: string, value: Date | number | undefined): number | undefined {
  if (value === undefined) return undefined;
  const wallMs = Math.floor(Number(value));
  if (Number.isSafeInteger(wallMs) && wallMs >= 0) return wallMs;
  const rule = 'it must be a Date, or milliseconds since 1970';
  throw invalid(`${name} is ${quoteShort(String(value))}: ${rule}`);
}

function traceparent(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string' && /^[0-9a-f-]{1,128}$/.test(value)) return value;
  throw invalid(`traceparent is ${quoteShort(value)}: it must be a W3C trace context`);
}

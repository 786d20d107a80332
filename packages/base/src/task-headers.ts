/**
 * The optional headers of a task, read from untrusted bytes.
 *
 * Reading never throws: a header that can't be read yields a typed error that names it, and the
 * task ends with that error as its result.
 */
import type { ErrorBody } from './errors';
import { errorBody } from './errors';
import type { CallerId, FlowName, TaskId, TaskKey } from './ids';
import { quoteShort, tryToken } from './ids';
import { WIRE_LIMITS } from './limits';
import type { ModelRef } from './model-ref';
import { formatModelRef, parseModelRef } from './model-ref';
import type { TaskClass } from './task-class';
import { DEFAULT_PRIORITY, MAX_PRIORITY, isTaskClass } from './task-class';

export const HEADERS = {
  id: 'Llmos-Id',
  /** Not forwarded with a dead letter: whoever sends that again repeats the id. */
  isIdNew: 'Llmos-Id-New',
  model: 'Llmos-Model',
  priority: 'Llmos-Priority',
  timeoutMs: 'Llmos-Timeout-Ms',
  deadline: 'Llmos-Deadline',
  key: 'Llmos-Key',
  maxAttempts: 'Llmos-Max-Attempts',
  stream: 'Llmos-Stream',
  parent: 'Llmos-Parent',
  root: 'Llmos-Root',
  keepMs: 'Llmos-Keep-Ms',
  flow: 'Llmos-Flow',
  notBefore: 'Llmos-Not-Before',
  /** Not forwarded with a dead letter: whoever sends that again is another caller. */
  caller: 'Llmos-Caller',
  class: 'Llmos-Class',
  attempt: 'Llmos-Attempt',
  reason: 'Llmos-Reason',
  attempts: 'Llmos-Attempts',
  lastError: 'Llmos-Last-Error',
  history: 'Llmos-History',
  /** Of a message to a reader that attached: the task it is about. */
  task: 'Llmos-Task',
  /** Of the last such message: why nothing follows. */
  end: 'Llmos-End',
  /** Of a result: function and digest of the task that an own id stands for (`task-digest.ts`). */
  digest: 'Llmos-Digest',
  /** Of a result that is none: the sequence of the task that a limit refused, in LLMOS_TASKS. */
  refused: 'Llmos-Refused',
  traceparent: 'traceparent',
  contentType: 'Content-Type',
} as const;

/** What travels with a task wherever it goes, besides its id: no other header of a client does. */
export const FORWARDED_HEADERS = [
  HEADERS.model,
  HEADERS.priority,
  HEADERS.timeoutMs,
  HEADERS.deadline,
  HEADERS.key,
  HEADERS.maxAttempts,
  HEADERS.stream,
  HEADERS.parent,
  HEADERS.root,
  HEADERS.keepMs,
  HEADERS.flow,
  HEADERS.notBefore,
  HEADERS.traceparent,
  HEADERS.contentType,
] as const;

export const JSON_CONTENT_TYPE = 'application/json';
export const PROTOBUF_CONTENT_TYPE = 'application/x-protobuf';
export type BodyFormat = 'json' | 'protobuf';

/** What a task may ask for beside its function and its body; absent fields have documented defaults. */
export interface TaskTerms {
  readonly id?: TaskId;
  /** The client made the id for this message: no earlier one can have it. */
  readonly isIdNew: boolean;
  readonly model?: ModelRef;
  readonly priority: number;
  /** False where the header is absent: a child then inherits its parent's. */
  readonly hasOwnPriority: boolean;
  /** Milliseconds from the moment JetStream stored the task. */
  readonly timeoutMs?: number;
  readonly deadlineWallMs?: number;
  readonly key?: TaskKey;
  readonly maxAttempts: number;
  readonly stream: boolean;
  readonly parent?: TaskId;
  readonly root?: TaskId;
  /** How long the result is wanted; absent: as long as results are kept. */
  readonly keepMs?: number;
  /** A user or a flow of work within the tenant. */
  readonly flow?: FlowName;
  readonly notBeforeWallMs?: number;
  /** Cancelled when this one is gone; absent: it goes on whoever is gone. */
  readonly caller?: CallerId;
  /** Only for `call` and `submit`. */
  readonly class?: TaskClass;
  readonly traceparent?: string;
  readonly format: BodyFormat;
}

export type TaskTermsReading =
  | { readonly kind: 'read'; readonly terms: TaskTerms }
  | { readonly kind: 'invalid'; readonly error: ErrorBody; readonly format: BodyFormat };

export type HeaderSource = (name: string) => string | undefined;

class InvalidHeader extends Error {}

/** @param get answers the value of a header, or undefined (or '') where it is absent. */
export function readTaskTerms(get: HeaderSource): TaskTermsReading {
  let format: BodyFormat = 'json';
  try {
    format = readFormat(get);
    return { kind: 'read', terms: readAll(get, format) };
  } catch (thrown) {
    if (!(thrown instanceof InvalidHeader)) throw thrown;
    return { kind: 'invalid', error: errorBody('INVALID_ARGUMENT', thrown.message), format };
  }
}

/** Read twice for every call: one literal, because copies of objects cost more than all readings. */
function readAll(get: HeaderSource, format: BodyFormat): TaskTerms {
  const id = readToken<TaskId>(get, HEADERS.id);
  const model = readModel(get);
  const timeoutMs = readInteger(get, HEADERS.timeoutMs, 1, WIRE_LIMITS.maxTimeoutMs);
  const deadlineWallMs = readTime(get, HEADERS.deadline);
  const key = readToken<TaskKey>(get, HEADERS.key);
  const parent = readToken<TaskId>(get, HEADERS.parent);
  const root = readToken<TaskId>(get, HEADERS.root);
  const keepMs = readInteger(get, HEADERS.keepMs, 1, WIRE_LIMITS.resultMaxAgeMs);
  const flow = readToken<FlowName>(get, HEADERS.flow);
  const notBeforeWallMs = readTime(get, HEADERS.notBefore);
  const caller = readToken<CallerId>(get, HEADERS.caller);
  const taskClass = readClass(get);
  const traceparent = readTraceparent(get);
  const priority = readInteger(get, HEADERS.priority, 0, MAX_PRIORITY);
  return {
    priority: priority ?? DEFAULT_PRIORITY,
    hasOwnPriority: priority !== undefined,
    maxAttempts:
      readInteger(get, HEADERS.maxAttempts, 1, WIRE_LIMITS.maxAttempts) ??
      WIRE_LIMITS.defaultAttempts,
    stream: readBoolean(get, HEADERS.stream),
    isIdNew: readBoolean(get, HEADERS.isIdNew),
    format,
    ...(id === undefined ? {} : { id }),
    ...(model === undefined ? {} : { model }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(deadlineWallMs === undefined ? {} : { deadlineWallMs }),
    ...(key === undefined ? {} : { key }),
    ...(parent === undefined ? {} : { parent }),
    ...(root === undefined ? {} : { root }),
    ...(keepMs === undefined ? {} : { keepMs }),
    ...(flow === undefined ? {} : { flow }),
    ...(notBeforeWallMs === undefined ? {} : { notBeforeWallMs }),
    ...(caller === undefined ? {} : { caller }),
    ...(taskClass === undefined ? {} : { class: taskClass }),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}

/** What `readTaskTerms` reads as these terms, but for the class: a stored task has it in its subject. */
export function taskHeadersOf(terms: TaskTerms): Map<string, string> {
  const { id, model, timeoutMs, deadlineWallMs, keepMs, notBeforeWallMs } = terms;
  const headers = new Map<string, string>();
  const put = (name: string, value: string | number | undefined): void => {
    if (value !== undefined) headers.set(name, String(value));
  };
  put(HEADERS.id, id);
  put(HEADERS.isIdNew, terms.isIdNew ? 'true' : undefined);
  put(HEADERS.caller, terms.caller);
  put(HEADERS.model, model === undefined ? undefined : formatModelRef(model));
  put(HEADERS.priority, terms.hasOwnPriority ? terms.priority : undefined);
  put(HEADERS.timeoutMs, timeoutMs);
  put(HEADERS.deadline, laterThan1970(deadlineWallMs));
  put(HEADERS.key, terms.key);
  const isUsual = terms.maxAttempts === WIRE_LIMITS.defaultAttempts;
  put(HEADERS.maxAttempts, isUsual ? undefined : terms.maxAttempts);
  put(HEADERS.stream, terms.stream ? 'true' : undefined);
  put(HEADERS.parent, terms.parent);
  put(HEADERS.root, terms.root);
  put(HEADERS.keepMs, keepMs);
  put(HEADERS.flow, terms.flow);
  put(HEADERS.notBefore, laterThan1970(notBeforeWallMs));
  put(HEADERS.traceparent, terms.traceparent);
  put(HEADERS.contentType, terms.format === 'json' ? undefined : PROTOBUF_CONTENT_TYPE);
  return headers;
}

/** Milliseconds are written without a sign; before 1970 is over as well. */
function laterThan1970(wallMs: number | undefined): number | undefined {
  return wallMs === undefined ? undefined : Math.max(0, wallMs);
}

function present(get: HeaderSource, name: string): string | undefined {
  const value = get(name)?.trim();
  return value === undefined || value === '' ? undefined : value;
}

/** An error that is always caught: its stack would cost more than all else of the refusal. */
function unrecorded<E extends Error>(make: () => E): E {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  const error = make();
  Error.stackTraceLimit = stackTraceLimit;
  return error;
}

function refuse(name: string, value: string, rule: string): never {
  throw unrecorded(() => new InvalidHeader(`header ${name} is ${quoteShort(value)}: ${rule}`));
}

function readToken<T extends TaskId | TaskKey | FlowName | CallerId>(
  get: HeaderSource,
  name: string,
): T | undefined {
  const value = present(get, name);
  if (value === undefined) return undefined;
  return tryToken<T>(value) ?? refuse(name, value, 'it must match [A-Za-z0-9_-]{1,64}');
}

function readInteger(
  get: HeaderSource,
  name: string,
  least: number,
  most: number,
): number | undefined {
  const value = present(get, name);
  if (value === undefined) return undefined;
  const number = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= least && number <= most) return number;
  return refuse(name, value, `it must be an integer from ${least} to ${most}`);
}

function readBoolean(get: HeaderSource, name: string): boolean {
  const value = present(get, name);
  if (value === undefined || value === 'false') return false;
  return value === 'true' ? true : refuse(name, value, 'it must be true or false');
}

function readClass(get: HeaderSource): TaskClass | undefined {
  const value = present(get, HEADERS.class);
  if (value === undefined || isTaskClass(value)) return value;
  return refuse(HEADERS.class, value, 'it must be interactive, standard or batch');
}

function readModel(get: HeaderSource): ModelRef | undefined {
  const value = present(get, HEADERS.model);
  if (value === undefined) return undefined;
  return parseModelRef(value) ?? refuse(HEADERS.model, value, 'it must be NAME or NAME@VERSION');
}

const RFC3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/;

/** RFC 3339, or milliseconds since 1970. */
function readTime(get: HeaderSource, name: string): number | undefined {
  const value = present(get, name);
  if (value === undefined) return undefined;
  const wallMs = /^\d{1,15}$/.test(value)
    ? Number(value)
    : RFC3339.test(value)
      ? Date.parse(value)
      : Number.NaN;
  if (Number.isFinite(wallMs)) return wallMs;
  return refuse(name, value, 'it must be RFC 3339 or milliseconds since 1970');
}

function readTraceparent(get: HeaderSource): string | undefined {
  const value = present(get, HEADERS.traceparent);
  // A broken trace context must not break the task (W3C Trace Context, section 3.2).
  return value !== undefined && /^[0-9a-f-]{1,128}$/.test(value) ? value : undefined;
}

function readFormat(get: HeaderSource): BodyFormat {
  const value = present(get, HEADERS.contentType);
  const type = value?.split(';')[0]?.trim().toLowerCase();
  if (type === undefined || type === JSON_CONTENT_TYPE || type === 'text/json') return 'json';
  if (type === PROTOBUF_CONTENT_TYPE || type === 'application/protobuf') return 'protobuf';
  const rule = `it must be ${JSON_CONTENT_TYPE} or ${PROTOBUF_CONTENT_TYPE}`;
  return refuse(HEADERS.contentType, value ?? '', rule);
}

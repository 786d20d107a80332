/**
 * Turns one foreign message of LLMOS_TASKS into an event. Pure; never throws.
 *
 * What can't be read becomes `task-malformed`: it ends in an error under its own id, or under
 * `s<sequence>` where its id, its key or its function is not a token. So does what fails here by a
 * mistake of ours, as INTERNAL: a task must end.
 */
import type {
  ErrorBody,
  FunctionDefinition,
  FunctionName,
  HeaderSource,
  TaskHeaders,
  TaskId,
  TaskSubject,
} from '@llmos/base';
import {
  DEFAULT_PRIORITY,
  HEADERS,
  WIRE_LIMITS,
  digestBody,
  errorBody,
  formatModelRef,
  isToken,
  parseTaskOwner,
  quoteShort,
  readTaskHeaders,
  taskIdOfSequence,
  toErrorBody,
  tryToken,
} from '@llmos/base';
import type { IntakeEvent } from '../kernel-event';
import type { TaskSpec } from '../tasks/task-spec';
import type { ProtobufBodyReader } from './task-body';
import { readTaskBody } from './task-body';

export interface ForeignTask {
  readonly subject: TaskSubject;
  readonly sequence: number;
  /** In the steady time of this kernel (see ServerTime). */
  readonly storedWallMs: number;
  /** What makes steady time of the server's; default 0. */
  readonly steadyShiftMs?: number;
  readonly header: HeaderSource;
  readonly areHeadersReadable: boolean;
  readonly body: Uint8Array;
}

export interface IntakeContext {
  readonly functionOf: (name: string) => FunctionDefinition | undefined;
  readonly readProtobuf: ProtobufBodyReader;
  /** The largest body that can be forwarded. */
  readonly maxBodyBytes: number;
}

export function readTask(task: ForeignTask, context: IntakeContext): IntakeEvent {
  try {
    return readParts(task, context);
  } catch (error) {
    const message = `the task can’t be taken in: ${toErrorBody(error).message}`;
    return malformed(task, undefined, errorBody('INTERNAL', message));
  }
}

/** Stands for a function whose name is no token, in the events and results of its tasks. */
const UNNAMED_FUNCTION = 'unnamed' as FunctionName;

/** For a task whose function is no token; it has no result where its tenant is none either. */
export function refuseSubject(
  of: Pick<ForeignTask, 'sequence' | 'storedWallMs'> & { readonly subject: string },
): Extract<IntakeEvent, { kind: 'task-malformed' }> | undefined {
  const owner = parseTaskOwner(of.subject);
  if (owner === undefined) return undefined;
  const name = of.subject.split('.').at(-1) ?? '';
  const message = `function ${quoteShort(name)} must match [A-Za-z0-9_-]{1,64}`;
  const task = { ...of, subject: { ...owner, function: UNNAMED_FUNCTION } };
  return malformed(task, undefined, errorBody('INVALID_ARGUMENT', message));
}

function readParts(task: ForeignTask, context: IntakeContext): IntakeEvent {
  if (!task.areHeadersReadable) {
    const error = errorBody('INVALID_ARGUMENT', 'the headers of the message can’t be read');
    return malformed(task, undefined, error);
  }
  const reading = readTaskHeaders(task.header);
  if (reading.kind === 'invalid') {
    return malformed(task, { format: reading.format, header: task.header }, reading.error);
  }
  const { headers } = reading;
  const idError = headers.id === undefined ? undefined : checkOwnId(headers.id);
  if (idError !== undefined) {
    return malformed(task, { format: headers.format, header: task.header }, idError);
  }
  return readBody(task, headers, context);
}

/** Ids of the form `s<number>` belong to tasks without an id: no other message may carry one. */
export function checkOwnId(id: TaskId): ErrorBody | undefined {
  if (!isSequenceId(id)) return undefined;
  return errorBody(
    'INVALID_ARGUMENT',
    `header ${HEADERS.id} is ${quoteShort(id)}: s<number> is the id of a task without one`,
  );
}

/** The error for a body that could be stored but not forwarded with more headers. */
export function checkBodySize(bytes: number, maxBytes: number): ErrorBody | undefined {
  if (bytes <= maxBytes) return undefined;
  return errorBody(
    'INVALID_ARGUMENT',
    `the body has ${bytes} bytes; at most ${maxBytes} bytes can be forwarded`,
    { details: { bytes, maxBytes } },
  );
}

function readBody(task: ForeignTask, headers: TaskHeaders, context: IntakeContext): IntakeEvent {
  const sizeError = checkBodySize(task.body.length, context.maxBodyBytes);
  if (sizeError !== undefined) {
    return { kind: 'task-malformed', spec: specOf(task, headers), error: sizeError };
  }
  const definition = context.functionOf(task.subject.function);
  // The core answers NOT_FOUND, with the functions there are.
  if (definition === undefined) return { kind: 'task-stored', spec: specOf(task, headers) };
  const reading = readTaskBody(
    {
      function: definition,
      format: headers.format,
      body: task.body,
      ...(headers.model === undefined ? {} : { model: headers.model }),
      ...(headers.key === undefined ? {} : { key: headers.key }),
    },
    context.readProtobuf,
  );
  if (reading.kind === 'invalid') {
    return { kind: 'task-malformed', spec: specOf(task, headers), error: reading.error };
  }
  return { kind: 'task-stored', spec: specOf(task, headers, reading.fields) };
}

/** @param fields those of the body go before those of the headers. */
function specOf(
  task: ForeignTask,
  headers: TaskHeaders,
  fields: Pick<TaskSpec, 'model' | 'key'> = {},
): TaskSpec {
  const { subject, sequence, storedWallMs, steadyShiftMs = 0 } = task;
  const { model = headers.model, key = headers.key } = fields;
  const endsWallMs = deadlineOf(headers, storedWallMs - steadyShiftMs);
  const deadlineWallMs = endsWallMs === undefined ? undefined : endsWallMs + steadyShiftMs;
  return {
    tenant: subject.tenant,
    id: headers.id ?? taskIdOfSequence(sequence),
    hasOwnId: headers.id !== undefined,
    ...(headers.id !== undefined && headers.isIdNew ? { isIdNew: true } : {}),
    function: subject.function,
    class: subject.class,
    priority: headers.priority,
    hasOwnPriority: headers.hasOwnPriority,
    sequence,
    storedWallMs,
    bodyBytes: task.body.length,
    ...(deadlineWallMs === undefined ? {} : { deadlineWallMs }),
    maxAttempts: headers.maxAttempts,
    stream: headers.stream,
    format: headers.format,
    ...(key === undefined ? {} : { key }),
    ...(model === undefined ? {} : { model }),
    ...(headers.parent === undefined ? {} : { parent: headers.parent }),
    ...(headers.root === undefined ? {} : { root: headers.root }),
    ...(headers.traceparent === undefined ? {} : { traceparent: headers.traceparent }),
    ...(headers.keepMs === undefined ? {} : { keepMs: headers.keepMs }),
    ...(headers.caller === undefined ? {} : { caller: headers.caller }),
    ...(headers.flow === undefined ? {} : { flow: headers.flow }),
    ...(headers.notBeforeWallMs === undefined ? {} : { notBeforeWallMs: headers.notBeforeWallMs }),
    ...(headers.id === undefined ? {} : { digest: digestOf(headers, task.body) }),
  };
}

/** Of what an own id stands for; the model of a header stands for a field of the body. */
export function digestOf(headers: TaskHeaders, body: Uint8Array): string {
  return digestBody(body, headers.model === undefined ? '' : formatModelRef(headers.model));
}

export function deadlineOf(
  headers: Pick<TaskHeaders, 'timeoutMs' | 'deadlineWallMs'>,
  storedWallMs: number,
): number | undefined {
  const byTimeout = headers.timeoutMs === undefined ? undefined : storedWallMs + headers.timeoutMs;
  if (headers.deadlineWallMs === undefined) return byTimeout;
  return byTimeout === undefined
    ? headers.deadlineWallMs
    : Math.min(byTimeout, headers.deadlineWallMs);
}

function malformed(
  task: Pick<ForeignTask, 'subject' | 'sequence' | 'storedWallMs'>,
  known: (Pick<TaskSpec, 'format'> & { readonly header: HeaderSource }) | undefined,
  error: ErrorBody,
): Extract<IntakeEvent, { kind: 'task-malformed' }> {
  const id = known === undefined ? undefined : ownIdOf(known.header);
  const spec: TaskSpec = {
    tenant: task.subject.tenant,
    id: id ?? taskIdOfSequence(task.sequence),
    hasOwnId: id !== undefined,
    function: task.subject.function,
    class: task.subject.class,
    priority: DEFAULT_PRIORITY,
    hasOwnPriority: false,
    sequence: task.sequence,
    storedWallMs: task.storedWallMs,
    maxAttempts: WIRE_LIMITS.defaultAttempts,
    stream: false,
    format: known?.format ?? 'json',
  };
  return { kind: 'task-malformed', spec, error };
}

/** The id that a malformed task may still end under. */
function ownIdOf(header: HeaderSource): TaskId | undefined {
  const key = header(HEADERS.key)?.trim();
  if (key !== undefined && key !== '' && !isToken(key)) return undefined;
  const id = tryToken<TaskId>(header(HEADERS.id)?.trim());
  return id === undefined || isSequenceId(id) ? undefined : id;
}

function isSequenceId(id: TaskId): boolean {
  return /^s\d+$/.test(id);
}

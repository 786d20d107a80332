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
  TaskTerms,
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
  readTaskTerms,
  taskIdOfSequence,
  toErrorBody,
  tryToken,
} from '@llmos/base';
import type { IntakeEvent } from '../kernel-event';
import type { TaskSpec } from '../tasks/task-spec';
import type { ProtobufBodyReader } from './task-body';
import { readTaskBody } from './task-body';

interface ArrivedTask {
  readonly subject: TaskSubject;
  readonly sequence: number;
  /** In the steady time of this kernel (see ServerTime). */
  readonly storedWallMs: number;
  /** What makes steady time of the server's; default 0. */
  readonly steadyShiftMs?: number;
  readonly body: Uint8Array;
}

export interface ForeignTask extends ArrivedTask {
  readonly header: HeaderSource;
  readonly areHeadersReadable: boolean;
}

export interface IntakeContext {
  readonly functionOf: (name: string) => FunctionDefinition | undefined;
  readonly readProtobuf: ProtobufBodyReader;
  /** The largest body that can be forwarded. */
  readonly maxBodyBytes: number;
}

export function readTask(task: ForeignTask, context: IntakeContext): IntakeEvent {
  return ending(task, () => readParts(task, context));
}

/** One whose terms this kernel has read already. */
export function readKnownTask(
  task: ArrivedTask & { readonly terms: TaskTerms },
  context: IntakeContext,
): IntakeEvent {
  return ending(task, () => readBody(task, task.terms, context));
}

function ending(task: ArrivedTask, read: () => IntakeEvent): IntakeEvent {
  try {
    return read();
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
  const reading = readTaskTerms(task.header);
  if (reading.kind === 'invalid') {
    return malformed(task, { ...task, format: reading.format }, reading.error);
  }
  const { terms } = reading;
  const idError = terms.id === undefined ? undefined : checkOwnId(terms.id);
  if (idError !== undefined) {
    return malformed(task, { ...task, format: terms.format }, idError);
  }
  return readBody(task, terms, context);
}

/** Ids of the form `s<number>` belong to tasks without an id: no other message may carry one. */
export function checkOwnId(id: TaskId): ErrorBody | undefined {
  if (!isSequenceId(id)) return undefined;
  return errorBody(
    'INVALID_ARGUMENT',
    `header ${HEADERS.id} is ${quoteShort(id)}: s<number> is the id of a task without one`,
  );
}

/** The error for a body that could be stored but not forwarded with more terms. */
export function checkBodySize(bytes: number, maxBytes: number): ErrorBody | undefined {
  if (bytes <= maxBytes) return undefined;
  return errorBody(
    'INVALID_ARGUMENT',
    `the body has ${bytes} bytes; at most ${maxBytes} bytes can be forwarded`,
    { details: { bytes, maxBytes } },
  );
}

function readBody(task: ArrivedTask, terms: TaskTerms, context: IntakeContext): IntakeEvent {
  const sizeError = checkBodySize(task.body.length, context.maxBodyBytes);
  if (sizeError !== undefined) {
    return { kind: 'task-malformed', spec: specOf(task, terms), error: sizeError };
  }
  const definition = context.functionOf(task.subject.function);
  // The core answers NOT_FOUND, with the functions there are.
  if (definition === undefined) return { kind: 'task-stored', spec: specOf(task, terms) };
  const reading = readTaskBody(
    {
      function: definition,
      format: terms.format,
      body: task.body,
      ...(terms.model === undefined ? {} : { model: terms.model }),
      ...(terms.key === undefined ? {} : { key: terms.key }),
    },
    context.readProtobuf,
  );
  if (reading.kind === 'invalid') {
    return { kind: 'task-malformed', spec: specOf(task, terms), error: reading.error };
  }
  return { kind: 'task-stored', spec: specOf(task, terms, reading.fields) };
}

/** @param fields those of the body go before those of the terms. */
function specOf(
  task: ArrivedTask,
  terms: TaskTerms,
  fields: Pick<TaskSpec, 'model' | 'key'> = {},
): TaskSpec {
  const { subject, sequence, storedWallMs, steadyShiftMs = 0 } = task;
  const { model = terms.model, key = terms.key } = fields;
  const endsWallMs = deadlineOf(terms, storedWallMs - steadyShiftMs);
  const deadlineWallMs = endsWallMs === undefined ? undefined : endsWallMs + steadyShiftMs;
  return {
    tenant: subject.tenant,
    id: terms.id ?? taskIdOfSequence(sequence),
    hasOwnId: terms.id !== undefined,
    ...(terms.id !== undefined && terms.isIdNew ? { isIdNew: true } : {}),
    function: subject.function,
    class: subject.class,
    priority: terms.priority,
    hasOwnPriority: terms.hasOwnPriority,
    sequence,
    storedWallMs,
    bodyBytes: task.body.length,
    ...(deadlineWallMs === undefined ? {} : { deadlineWallMs }),
    maxAttempts: terms.maxAttempts,
    stream: terms.stream,
    format: terms.format,
    ...(key === undefined ? {} : { key }),
    ...(model === undefined ? {} : { model }),
    ...(terms.parent === undefined ? {} : { parent: terms.parent }),
    ...(terms.root === undefined ? {} : { root: terms.root }),
    ...(terms.traceparent === undefined ? {} : { traceparent: terms.traceparent }),
    ...(terms.keepMs === undefined ? {} : { keepMs: terms.keepMs }),
    ...(terms.caller === undefined ? {} : { caller: terms.caller }),
    ...(terms.flow === undefined ? {} : { flow: terms.flow }),
    ...(terms.notBeforeWallMs === undefined ? {} : { notBeforeWallMs: terms.notBeforeWallMs }),
    ...(terms.id === undefined ? {} : { digest: digestOf(terms, task.body) }),
  };
}

/** Of what an own id stands for; the model of a header stands for a field of the body. */
export function digestOf(terms: TaskTerms, body: Uint8Array): string {
  return digestBody(body, terms.model === undefined ? '' : formatModelRef(terms.model));
}

export function deadlineOf(
  terms: Pick<TaskTerms, 'timeoutMs' | 'deadlineWallMs'>,
  storedWallMs: number,
): number | undefined {
  const byTimeout = terms.timeoutMs === undefined ? undefined : storedWallMs + terms.timeoutMs;
  if (terms.deadlineWallMs === undefined) return byTimeout;
  return byTimeout === undefined ? terms.deadlineWallMs : Math.min(byTimeout, terms.deadlineWallMs);
}

function malformed(
  task: Pick<ForeignTask, 'subject' | 'sequence' | 'storedWallMs'>,
  known: (Pick<TaskSpec, 'format'> & Pick<ForeignTask, 'header' | 'body'>) | undefined,
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
    ...(known === undefined || id === undefined ? {} : { digest: unreadDigestOf(known) }),
  };
  return { kind: 'task-malformed', spec, error };
}

/** As `digestOf` has it, of a task whose terms can't be read as a whole. */
function unreadDigestOf({ header, body }: Pick<ForeignTask, 'header' | 'body'>): string {
  return digestBody(body, header(HEADERS.model)?.trim() ?? '');
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

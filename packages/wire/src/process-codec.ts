/**
 * Mailbox messages and reports as bytes, both directions of each (see base's process-protocol.ts).
 *
 * Both are foreign to whoever reads them. A mailbox message that can't be read is undefined; a
 * report that breaks the protocol is a TypeError, so that its reader can count it. What is merely
 * unknown in a report (a code, a cost that can't be) costs nothing but itself.
 */
import type {
  AttemptCost,
  AttemptEnd,
  AttemptOutcome,
  AttemptRef,
  AttemptReport,
  AttemptSpec,
  CancelReason,
  FinishedAttempt,
  FlowName,
  FunctionName,
  Instant,
  MailboxCommand,
  MailboxMessage,
  TaskId,
  TaskKey,
  TenantId,
} from '@llmos/base';
import { NO_COST, cutText, errorBody, isErrorCode, isTaskClass, tryToken } from '@llmos/base';
import { mailbox, report } from '@llmos/proto';
import { CODEC_LIMITS } from './limits';

const CANCEL_REASONS: readonly CancelReason[] = ['CANCELLED', 'DEADLINE_EXCEEDED', 'ABORTED'];

/** @param now by the clock that the times of a command count from: what is left of them is sent. */
export function encodeMailboxMessage(message: MailboxMessage, now: Instant): Uint8Array {
  return mailbox.MailboxMessage.encode({
    epoch: message.epoch,
    incarnation: message.incarnation,
    command: writeCommand(message.command, now),
  }).finish();
}

function writeCommand(command: MailboxCommand, now: Instant): mailbox.MailboxMessage['command'] {
  switch (command.kind) {
    case 'execute':
      return { $case: 'execute', value: writeExecute(command.spec, now) };
    case 'cancel':
      return { $case: 'cancel', value: { attempt: command.attempt, reason: command.reason } };
    case 'preempt':
      return { $case: 'preempt', value: { attempt: command.attempt } };
    case 'confirm':
      return { $case: 'confirm', value: { attempts: [...command.attempts] } };
    case 'hello':
      return { $case: 'hello', value: {} };
  }
}

function writeExecute(spec: AttemptSpec, now: Instant): mailbox.Execute {
  const { storedAtMs, body } = spec;
  const leftMs = spec.deadlineAtMs - now.nowMs;
  const hasDeadline = Number.isFinite(leftMs);
  return {
    tenant: spec.tenant,
    task: spec.task,
    attempt: spec.attempt,
    function: spec.function,
    taskClass: spec.class,
    priority: spec.priority,
    sequence: spec.sequence,
    // For a process of before `left_ms`, which compares it with its own clock.
    deadlineWallMs: hasDeadline ? now.wallMs + leftMs : 0,
    leftMs: hasDeadline ? leftMs : undefined,
    ageMs: storedAtMs === undefined ? undefined : Math.max(0, now.nowMs - storedAtMs),
    stream: spec.stream,
    key: spec.key ?? '',
    model: spec.model ?? '',
    format: spec.format,
    traceparent: spec.traceparent ?? '',
    root: spec.root,
    keepMs: spec.keepMs ?? 0,
    digest: spec.digest ?? '',
    flow: spec.flow ?? '',
    notBeforeWallMs: spec.notBeforeWallMs ?? 0,
    // A view, not a copy: encoding copies it into the message.
    body: body && Buffer.from(body.buffer, body.byteOffset, body.byteLength),
  };
}

/** @param now when it came, by the clock that its times shall count from. */
export function decodeMailboxMessage(bytes: Uint8Array, now: Instant): MailboxMessage | undefined {
  let message: mailbox.MailboxMessage;
  try {
    message = mailbox.MailboxMessage.decode(bytes);
  } catch {
    return undefined;
  }
  const command = readCommand(message.command, now);
  if (command === undefined) return undefined;
  return { epoch: message.epoch, incarnation: message.incarnation, command };
}

function readCommand(
  command: mailbox.MailboxMessage['command'],
  now: Instant,
): MailboxCommand | undefined {
  switch (command?.$case) {
    case 'execute': {
      const spec = readExecute(command.value, now);
      return spec && { kind: 'execute', spec };
    }
    case 'cancel': {
      const attempt = readRef(command.value.attempt);
      const reason = CANCEL_REASONS.find((known) => known === command.value.reason);
      if (attempt === undefined || reason === undefined) return undefined;
      return { kind: 'cancel', attempt, reason };
    }
    case 'preempt': {
      const attempt = readRef(command.value.attempt);
      return attempt && { kind: 'preempt', attempt };
    }
    case 'confirm': {
      const attempts = command.value.attempts.map(readRef).filter((ref) => ref !== undefined);
      return { kind: 'confirm', attempts };
    }
    case 'hello':
      return { kind: 'hello' };
    default:
      return undefined;
  }
}

function readExecute(execute: mailbox.Execute, now: Instant): AttemptSpec | undefined {
  const ref = readRef(execute);
  const name = tryToken<FunctionName>(execute.function);
  if (ref === undefined || name === undefined || !isTaskClass(execute.taskClass)) return undefined;
  if (execute.format !== 'json' && execute.format !== 'protobuf') return undefined;
  const { ageMs } = execute;
  return {
    // Not `...ref`: each field after one that is spread costs as much as all of these together.
    tenant: ref.tenant,
    task: ref.task,
    attempt: ref.attempt,
    function: name,
    class: execute.taskClass,
    priority: execute.priority,
    sequence: execute.sequence,
    deadlineAtMs: now.nowMs + leftOf(execute, now.wallMs),
    storedAtMs: isAge(ageMs) ? now.nowMs - ageMs : undefined,
    stream: execute.stream,
    format: execute.format,
    root: tryToken<TaskId>(execute.root) ?? ref.task,
    key: tryToken<TaskKey>(execute.key),
    model: execute.model || undefined,
    traceparent: execute.traceparent || undefined,
    keepMs: execute.keepMs || undefined,
    digest: execute.digest || undefined,
    flow: tryToken<FlowName>(execute.flow),
    notBeforeWallMs: execute.notBeforeWallMs || undefined,
    body: execute.body,
  };
}

/** Absent: of a kernel of before `age_ms`. */
function isAge(ageMs: number | undefined): ageMs is number {
  return ageMs !== undefined && Number.isFinite(ageMs) && ageMs >= 0;
}

/** A kernel of before `left_ms` compares its clock with ours. */
function leftOf(execute: mailbox.Execute, wallMs: number): number {
  const { leftMs, deadlineWallMs } = execute;
  if (leftMs !== undefined) return Number.isNaN(leftMs) ? Infinity : leftMs;
  return deadlineWallMs > 0 ? deadlineWallMs - wallMs : Infinity;
}

export function encodeReport(incarnation: number, of: AttemptReport): Uint8Array {
  const preempted = of.finished.filter((entry) => entry.outcome.kind === 'preempted');
  const { heartbeat } = of;
  return report.ReportBatch.encode({
    incarnation,
    accepted: [...of.accepted],
    finished: writeEnds(of.finished),
    preempted: preempted.map((entry) => entry.ref),
    preemptedCosts: preempted.map((entry) => entry.cost ?? NO_COST),
    heartbeat: heartbeat && {
      running: [...heartbeat.running],
      costs: heartbeat.costs.map((cost) => cost ?? NO_COST),
      epoch: heartbeat.epoch,
      foreign: heartbeat.foreign,
    },
  }).finish();
}

/** Those that were preempted have a list of their own. */
function writeEnds(finished: readonly FinishedAttempt[]): report.Finished[] {
  const ends: report.Finished[] = [];
  for (const { ref, outcome, cost } of finished) {
    if (outcome.kind === 'preempted') continue;
    ends.push({ attempt: ref, outcome: writeOutcome(outcome), cost });
  }
  return ends;
}

function writeOutcome(outcome: AttemptEnd): report.Finished['outcome'] {
  switch (outcome.kind) {
    case 'committed': {
      const errorCode = outcome.errorCode ?? '';
      return { $case: 'committed', value: { ok: outcome.ok, errorCode } };
    }
    case 'failed': {
      const { code, retryable, message } = outcome.error;
      const cut = message.slice(0, CODEC_LIMITS.maxReportedMessageChars);
      const suspect = outcome.isSuspect === true ? { suspect: true } : {};
      return { $case: 'failed', value: { code, retryable, message: cut, ...suspect } };
    }
    case 'stopped':
      return { $case: 'stopped', value: { reason: outcome.reason } };
  }
}

export interface ReceivedReport extends AttemptReport {
  /** Of the process that sent it; at least 1. */
  readonly incarnation: number;
}

/** Throws a TypeError on whatever is no report. What was preempted stands after what has ended. */
export function decodeReport(bytes: Uint8Array): ReceivedReport {
  const batch = report.ReportBatch.decode(bytes);
  const finished = batch.finished.map(readFinished);
  batch.preempted.forEach((ref, index) => {
    const cost = readCost(batch.preemptedCosts[index]);
    finished.push(finishedOf(readAttempt(ref), { kind: 'preempted' }, cost));
  });
  const incarnation = readCount(batch.incarnation, 'incarnation');
  const accepted = batch.accepted.map(readAttempt);
  if (batch.heartbeat === undefined) return { incarnation, accepted, finished };
  const { epoch, foreign } = batch.heartbeat;
  const running = batch.heartbeat.running.map(readAttempt);
  const costs = batch.heartbeat.costs.map(readCost);
  return { incarnation, accepted, finished, heartbeat: { running, costs, epoch, foreign } };
}

function readFinished(of: report.Finished): FinishedAttempt {
  return finishedOf(readAttempt(of.attempt), readOutcome(of), readCost(of.cost));
}

function finishedOf(
  ref: AttemptRef,
  outcome: AttemptOutcome,
  cost: AttemptCost | undefined,
): FinishedAttempt {
  return cost === undefined ? { ref, outcome } : { ref, outcome, cost };
}

function readOutcome({ outcome }: report.Finished): AttemptEnd {
  switch (outcome?.$case) {
    case 'committed': {
      const { ok, errorCode } = outcome.value;
      return errorCode === ''
        ? { kind: 'committed', ok }
        : { kind: 'committed', ok, errorCode: cut(errorCode) };
    }
    case 'failed': {
      const { code, retryable, message, suspect } = outcome.value;
      const known = isErrorCode(code) ? code : 'UNKNOWN';
      const error = errorBody(known, cut(message), { retryable });
      return { kind: 'failed', error, ...(suspect === true ? { isSuspect: true } : {}) };
    }
    case 'stopped':
      return { kind: 'stopped', reason: cut(outcome.value.reason) };
    case undefined:
      throw new TypeError('a finished attempt without an outcome');
  }
}

function readAttempt(ref: mailbox.AttemptRef | undefined): AttemptRef {
  const attempt = readRef(ref);
  if (attempt !== undefined) return attempt;
  throw new TypeError('an attempt without a tenant, a task or a number that can be');
}

/** Undefined where tenant or task is no token, or the number is none that a task can have. */
function readRef(ref: mailbox.AttemptRef | undefined): AttemptRef | undefined {
  const tenant = tryToken<TenantId>(ref?.tenant);
  const task = tryToken<TaskId>(ref?.task);
  if (ref === undefined || tenant === undefined || task === undefined) return undefined;
  const { attempt } = ref;
  const isNumber = Number.isSafeInteger(attempt) && attempt >= 1;
  return isNumber && attempt <= CODEC_LIMITS.mostAttempts ? { tenant, task, attempt } : undefined;
}

/** One that can't be is none: it must cost its process nothing but the charge. */
function readCost(told: report.Cost | undefined): AttemptCost | undefined {
  if (told === undefined) return undefined;
  const { deviceMs, cpuMs, inputTokens, outputTokens } = told;
  const cost = { deviceMs, cpuMs, inputTokens, outputTokens };
  const isSound = Object.values(cost).every((amount) => Number.isFinite(amount) && amount >= 0);
  return isSound ? cost : undefined;
}

function readCount(value: number, what: string): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new TypeError(`${what} is ${value}, not a positive integer`);
}

function cut(text: string): string {
  return cutText(text, CODEC_LIMITS.maxForeignTextChars);
}

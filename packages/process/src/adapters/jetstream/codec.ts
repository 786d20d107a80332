/** Mailbox messages and reports on the wire. Whatever can't be read is undefined, never thrown. */
import type {
  AttemptCost,
  FlowName,
  FunctionName,
  Instant,
  TaskId,
  TaskKey,
  TenantId,
} from '@llmos/base';
import { NO_COST, isErrorCode, isTaskClass, tryToken } from '@llmos/base';
import { mailbox, report } from '@llmos/proto';
import type { AttemptOutcome, AttemptRef, AttemptSpec, StopReason } from '../../attempt';
import type { FinishedAttempt } from '../../finished-table';
import { PROCESS_LIMITS } from '../../limits';
import type { MailboxCommand, MailboxMessage } from '../../ports/mailbox-link';
import type { Report } from '../../report-outbox';

const STOP_REASONS: readonly StopReason[] = ['CANCELLED', 'DEADLINE_EXCEEDED', 'ABORTED'];

/** @param now when it came: what is left of a deadline counts from here. */
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
      return spec === undefined ? undefined : { kind: 'execute', spec };
    }
    case 'cancel': {
      const attempt = readRef(command.value.attempt);
      const reason = STOP_REASONS.find((known) => known === command.value.reason);
      if (attempt === undefined || reason === undefined) return undefined;
      return { kind: 'cancel', attempt, reason };
    }
    case 'preempt': {
      const attempt = readRef(command.value.attempt);
      return attempt === undefined ? undefined : { kind: 'preempt', attempt };
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

function readRef(ref: mailbox.AttemptRef | undefined): AttemptRef | undefined {
  const tenant = tryToken<TenantId>(ref?.tenant);
  const task = tryToken<TaskId>(ref?.task);
  if (ref === undefined || tenant === undefined || task === undefined) return undefined;
  return { tenant, task, attempt: ref.attempt };
}

function readExecute(execute: mailbox.Execute, now: Instant): AttemptSpec | undefined {
  const ref = readRef(execute);
  const name = tryToken<FunctionName>(execute.function);
  if (ref === undefined || name === undefined || !isTaskClass(execute.taskClass)) return undefined;
  if (execute.format !== 'json' && execute.format !== 'protobuf') return undefined;
  const key = tryToken<TaskKey>(execute.key);
  const flow = tryToken<FlowName>(execute.flow);
  const { keepMs, digest, notBeforeWallMs, ageMs } = execute;
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
    ...(isAge(ageMs) ? { storedAtMs: now.nowMs - ageMs } : {}),
    stream: execute.stream,
    format: execute.format,
    root: tryToken<TaskId>(execute.root) ?? ref.task,
    ...(key === undefined ? {} : { key }),
    ...(execute.model === '' ? {} : { model: execute.model }),
    ...(execute.traceparent === '' ? {} : { traceparent: execute.traceparent }),
    ...(keepMs === 0 ? {} : { keepMs }),
    ...(digest === '' ? {} : { digest }),
    ...(flow === undefined ? {} : { flow }),
    ...(notBeforeWallMs === 0 ? {} : { notBeforeWallMs }),
    ...(execute.body === undefined ? {} : { body: execute.body }),
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

export function encodeReport(incarnation: number, of: Report): Uint8Array {
  const ended = of.finished.filter((entry) => entry.outcome.kind !== 'preempted');
  const preempted = of.finished.filter((entry) => entry.outcome.kind === 'preempted');
  return report.ReportBatch.encode({
    incarnation,
    accepted: [...of.accepted],
    finished: ended.map(writeFinished),
    preempted: preempted.map((entry) => entry.ref),
    preemptedCosts: preempted.map((entry) => entry.cost ?? NO_COST),
    heartbeat:
      of.heartbeat === undefined
        ? undefined
        : {
            ...of.heartbeat,
            running: [...of.heartbeat.running],
            costs: of.heartbeat.costs.map((cost) => cost ?? NO_COST),
          },
  }).finish();
}

function writeFinished(entry: FinishedAttempt): report.Finished {
  return { attempt: entry.ref, outcome: writeOutcome(entry.outcome), cost: entry.cost };
}

function writeOutcome(outcome: AttemptOutcome): report.Finished['outcome'] {
  switch (outcome.kind) {
    case 'committed': {
      const errorCode = outcome.errorCode ?? '';
      return { $case: 'committed', value: { ok: outcome.ok, errorCode } };
    }
    case 'failed': {
      const { code, retryable, message } = outcome.error;
      const cut = message.slice(0, PROCESS_LIMITS.maxReportedMessageChars);
      const suspect = outcome.isSuspect === true ? { suspect: true } : {};
      return { $case: 'failed', value: { code, retryable, message: cut, ...suspect } };
    }
    case 'stopped':
      return { $case: 'stopped', value: { reason: outcome.reason } };
    case 'preempted':
      return undefined;
  }
}

/** For tests and simulated leaders: the other direction of this codec; it was 0 when it was sent. */
export function encodeMailboxMessage(message: MailboxMessage): Uint8Array {
  return mailbox.MailboxMessage.encode({
    epoch: message.epoch,
    incarnation: message.incarnation,
    command: writeCommand(message.command),
  }).finish();
}

function writeCommand(command: MailboxCommand): mailbox.MailboxMessage['command'] {
  switch (command.kind) {
    case 'execute':
      return { $case: 'execute', value: writeExecute(command.spec) };
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

function writeExecute(spec: AttemptSpec): mailbox.Execute {
  return {
    tenant: spec.tenant,
    task: spec.task,
    attempt: spec.attempt,
    function: spec.function,
    taskClass: spec.class,
    priority: spec.priority,
    sequence: spec.sequence,
    deadlineWallMs: 0,
    leftMs: Number.isFinite(spec.deadlineAtMs) ? spec.deadlineAtMs : undefined,
    ageMs: spec.storedAtMs === undefined ? undefined : -spec.storedAtMs,
    stream: spec.stream,
    key: spec.key ?? '',
    model: spec.model ?? '',
    format: spec.format,
    traceparent: spec.traceparent ?? '',
    body: spec.body === undefined ? undefined : Buffer.from(spec.body),
    root: spec.root,
    keepMs: spec.keepMs ?? 0,
    digest: spec.digest ?? '',
    flow: spec.flow ?? '',
    notBeforeWallMs: spec.notBeforeWallMs ?? 0,
  };
}

export interface DecodedReport {
  readonly incarnation: number;
  readonly accepted: readonly AttemptRef[];
  readonly finished: readonly FinishedAttempt[];
  readonly heartbeat?: {
    readonly running: readonly AttemptRef[];
    readonly costs: readonly AttemptCost[];
    readonly epoch: number;
    readonly foreign: number;
  };
}

export function decodeReport(bytes: Uint8Array): DecodedReport {
  const batch = report.ReportBatch.decode(bytes);
  const refs = (list: readonly mailbox.AttemptRef[]): AttemptRef[] =>
    list.map(readRef).filter((ref) => ref !== undefined);
  const preempted = refs(batch.preempted).map((ref, index): FinishedAttempt => ({
    ref,
    outcome: { kind: 'preempted' },
    cost: batch.preemptedCosts[index] ?? NO_COST,
  }));
  const { heartbeat } = batch;
  return {
    incarnation: batch.incarnation,
    accepted: refs(batch.accepted),
    finished: [...batch.finished.flatMap(readFinished), ...preempted],
    ...(heartbeat === undefined
      ? {}
      : { heartbeat: { ...heartbeat, running: refs(heartbeat.running) } }),
  };
}

function readFinished(finished: report.Finished): FinishedAttempt[] {
  const { outcome } = finished;
  const attempt = readRef(finished.attempt);
  if (attempt === undefined || outcome === undefined) return [];
  const ref = { ref: attempt, ...(finished.cost && { cost: finished.cost }) };
  switch (outcome.$case) {
    case 'committed': {
      const { ok, errorCode } = outcome.value;
      const end = errorCode === '' ? { ok } : { ok, errorCode };
      return [{ ...ref, outcome: { kind: 'committed', ...end } }];
    }
    case 'failed':
      return [{ ...ref, outcome: readFailed(outcome.value) }];
    case 'stopped':
      return [{ ...ref, outcome: { kind: 'stopped', reason: outcome.value.reason } }];
  }
}

function readFailed(failed: report.Failed): AttemptOutcome {
  const code = isErrorCode(failed.code) ? failed.code : 'UNKNOWN';
  const error = { code, retryable: failed.retryable, message: failed.message };
  return { kind: 'failed', error, ...(failed.suspect === true ? { isSuspect: true } : {}) };
}

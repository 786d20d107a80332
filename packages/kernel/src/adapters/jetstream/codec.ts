/** Mailbox messages and reports on the wire. Generated types stop here; reports are foreign. */
import type { AttemptCost, Epoch, NodeProcess, TaskId, TenantId } from '@llmos/base';
import { WIRE_LIMITS, errorBody, formatModelRef, isErrorCode, tryToken } from '@llmos/base';
import { mailbox, report } from '@llmos/proto';
import { EDGE_LIMITS } from '../../edge-limits';
import type { AttemptOutcome, KernelEvent, ReportOrigin } from '../../kernel-event';
import type { AttemptRef, TaskSpec } from '../../tasks/task-spec';

type Command = NonNullable<mailbox.MailboxMessage['command']>;

export function encodeMailbox(of: {
  readonly epoch: Epoch;
  readonly incarnation: number;
  readonly command: Command;
}): Uint8Array {
  return mailbox.MailboxMessage.encode(of).finish();
}

export function executeCommand(of: {
  readonly spec: TaskSpec;
  readonly attempt: number;
  /** By the clock of the NATS server. */
  readonly deadlineWallMs: number;
  readonly leftMs: number;
  /** Since the task was stored. */
  readonly ageMs: number;
  readonly body: Uint8Array | undefined;
}): Command {
  const { spec, attempt, deadlineWallMs, leftMs, ageMs, body } = of;
  const value: mailbox.Execute = {
    tenant: spec.tenant,
    task: spec.id,
    attempt,
    function: spec.function,
    taskClass: spec.class,
    priority: spec.priority,
    sequence: spec.sequence,
    deadlineWallMs,
    leftMs,
    ageMs,
    stream: spec.stream,
    key: spec.key ?? '',
    model: spec.model === undefined ? '' : formatModelRef(spec.model),
    format: spec.format,
    traceparent: spec.traceparent ?? '',
    root: spec.root ?? spec.id,
    keepMs: spec.keepMs ?? 0,
    digest: spec.digest ?? '',
    flow: spec.flow ?? '',
    notBeforeWallMs: spec.notBeforeWallMs ?? 0,
    // A view, not a copy: encoding copies it into the message.
    ...(body === undefined
      ? {}
      : { body: Buffer.from(body.buffer, body.byteOffset, body.byteLength) }),
  };
  return { $case: 'execute', value };
}

/**
 * The events of one report; throws a TypeError on whatever is not one.
 *
 * The order is that of the facts: accepted, finished, preempted, then what is running now.
 */
export function decodeReport(from: NodeProcess, bytes: Uint8Array): KernelEvent[] {
  const batch = report.ReportBatch.decode(bytes);
  const origin: ReportOrigin = {
    nodeId: from.node,
    pid: from.process,
    incarnation: readCount(batch.incarnation, 'incarnation'),
  };
  const events: KernelEvent[] = [];
  for (const ref of batch.accepted) {
    events.push({ kind: 'attempt-accepted', origin, attempt: readAttempt(ref) });
  }
  for (const finished of batch.finished) {
    const attempt = readAttempt(finished.attempt);
    const outcome = readOutcome(finished);
    events.push({ kind: 'attempt-finished', origin, attempt, outcome, ...readCost(finished.cost) });
  }
  batch.preempted.forEach((ref, index) => {
    const cost = readCost(batch.preemptedCosts[index]);
    events.push({ kind: 'attempt-preempted', origin, attempt: readAttempt(ref), ...cost });
  });
  if (batch.heartbeat !== undefined) {
    const { costs } = batch.heartbeat;
    const running = batch.heartbeat.running.map((ref, index) => {
      return { ...readAttempt(ref), ...readCost(costs[index]) };
    });
    const { epoch, foreign } = batch.heartbeat;
    events.push({ kind: 'process-heartbeat', origin, running, epoch, foreign });
  }
  return events;
}

function readOutcome(finished: report.Finished): AttemptOutcome {
  const { outcome } = finished;
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
  const tenant = tryToken<TenantId>(ref?.tenant);
  const task = tryToken<TaskId>(ref?.task);
  if (ref === undefined || tenant === undefined || task === undefined) {
    throw new TypeError('an attempt without tenant or task');
  }
  const attempt = readCount(ref.attempt, 'attempt');
  // More than any task may have: host deaths and preemptions count on top of retries.
  if (attempt > WIRE_LIMITS.maxAttempts * 100) throw new TypeError(`attempt ${attempt}`);
  return { tenant, task, attempt };
}

/** One that can't be is none: it must cost its process nothing but the charge. */
function readCost(told: report.Cost | undefined): { readonly cost?: AttemptCost } {
  if (told === undefined) return {};
  const { deviceMs, cpuMs, inputTokens, outputTokens } = told;
  const cost = { deviceMs, cpuMs, inputTokens, outputTokens };
  const isSound = Object.values(cost).every((amount) => Number.isFinite(amount) && amount >= 0);
  return isSound ? { cost } : {};
}

function readCount(value: number, what: string): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new TypeError(`${what} is ${value}, not a positive integer`);
}

function cut(text: string): string {
  return text.slice(0, EDGE_LIMITS.maxMessageChars);
}

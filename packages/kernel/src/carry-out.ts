/**
 * Carries decisions out through the ports; what answers comes back as an event.
 *
 * Nothing here waits. An operation that was cut off by the end of the leadership is forgotten;
 * any other failure ends the leadership, because the core would wait for the answer for ever.
 */
import type { Logger } from '@llmos/base';
import { assertNever, isErrorCode } from '@llmos/base';
import { EDGE_LIMITS } from './edge-limits';
import type { KernelDecision } from './kernel-decision';
import type { KernelFact, ToldFact } from './kernel-fact';
import { isOfTask, tellFact } from './kernel-fact';
import type { KernelEvent } from './kernel-event';
import type { EventLog } from './ports/event-log';
import type { KernelCounters } from './ports/kernel-counters';
import type { NodeLink } from './ports/node-link';
import type { ProcessLink } from './ports/process-link';
import type { TaskStream } from './ports/task-stream';
import type { Registry } from './services/registry';

export interface CarryOutOptions {
  readonly taskStream: TaskStream;
  readonly processLink: ProcessLink;
  readonly nodeLink: NodeLink;
  readonly eventLog: EventLog;
  readonly registry: Registry;
  readonly counters: KernelCounters;
  readonly log: Logger;
  readonly deliver: (event: KernelEvent) => void;
  readonly isEnded: () => boolean;
  readonly onFailure: (error: unknown) => void;
}

type StoreDecision = Extract<
  KernelDecision,
  { kind: 'look-up-result' | 'record-attempt' | 'commit-result' | 'store-dead-letter' }
>;

/** What a person should look at, of what happens to processes. */
const WARNINGS: ReadonlySet<KernelFact['kind']> = new Set([
  'process-refuses-leader',
  'process-foreign-epoch',
]);

export class DecisionCarrier {
  private announcementsLeft: number = EDGE_LIMITS.maxAnnouncementsPerTick;

  constructor(private readonly options: CarryOutOptions) {}

  beginTick(): void {
    this.announcementsLeft = EDGE_LIMITS.maxAnnouncementsPerTick;
  }

  carryOut(decision: KernelDecision): void {
    const { taskStream, processLink, counters } = this.options;
    counters.add('decisions', decision.kind);
    switch (decision.kind) {
      case 'look-up-result':
      case 'record-attempt':
      case 'commit-result':
      case 'store-dead-letter':
        return this.store(decision);
      case 'execute': {
        const { to, spec, attempt, deadlineWallMs, queuedMs } = decision;
        if (queuedMs !== undefined) {
          counters.observe('queue_wait', spec.class, queuedMs / 1_000);
        }
        const body = taskStream.bodyOf(spec.sequence);
        return processLink.execute({ to, spec, attempt, deadlineWallMs, body });
      }
      case 'cancel-attempt':
        return processLink.cancel(decision.to, decision.attempt, decision.reason);
      case 'preempt-attempt':
        return processLink.preempt(decision.to, decision.attempt);
      case 'confirm-finished':
        return processLink.confirm(decision.to, decision.attempts);
      case 'greet-process':
        return processLink.greet(decision.to);
      case 'acknowledge':
        counters.add('tasks_ended');
        return taskStream.acknowledge(decision.sequence, decision.forget);
      case 'start-process':
        return this.startProcess(decision);
      case 'stop-process':
        return this.options.nodeLink.stopProcess(decision.to, decision.graceMs);
      case 'announce':
        return this.announce(decision.fact);
      default:
        return assertNever(decision);
    }
  }

  private store(decision: StoreDecision): void {
    this.answerOf(decision).then(
      (event) => this.options.deliver(event),
      (error: unknown) => {
        if (!this.options.isEnded()) this.options.onFailure(error);
      },
    );
  }

  private async answerOf(decision: StoreDecision): Promise<KernelEvent> {
    const { taskStream } = this.options;
    switch (decision.kind) {
      case 'look-up-result': {
        const found = await taskStream.lookUp(decision.spec);
        return { kind: 'result-looked-up', sequence: decision.spec.sequence, ...found };
      }
      case 'record-attempt': {
        const { spec, attempt, uncounted, isApart, failures } = decision;
        await taskStream.recordAttempt(spec, { attempt, uncounted, isApart, failures });
        return { kind: 'attempt-recorded', sequence: spec.sequence, attempt };
      }
      case 'commit-result': {
        const { tenant, id: task } = decision.of;
        const other = await taskStream.commitResult(decision);
        return {
          kind: 'result-committed',
          ...{ tenant, task },
          ...(other === undefined ? {} : { other }),
        };
      }
      case 'store-dead-letter': {
        await taskStream.storeDeadLetter(decision);
        const { tenant, id } = decision.spec;
        return { kind: 'dead-letter-stored', tenant, task: id };
      }
    }
  }

  private startProcess(decision: Extract<KernelDecision, { kind: 'start-process' }>): void {
    const { target, device, reservedBytes, to } = decision;
    const registration = this.options.registry.modelOf(target);
    this.options.log.info('process-starts', { ...to, target, device });
    this.options.nodeLink.startProcess({ to, target, registration, device, reservedBytes });
  }

  private announce(fact: KernelFact): void {
    const told = tellFact(fact);
    this.count(fact);
    if (!isOfTask(fact)) this.log(fact, told);
    if (this.announcementsLeft <= 0) return this.options.counters.add('announcements_dropped');
    this.announcementsLeft -= 1;
    this.options.eventLog.publish(told);
  }

  private log(fact: KernelFact, { principal, entity, id, what, fields }: ToldFact): void {
    const level = WARNINGS.has(fact.kind) ? 'warn' : 'info';
    this.options.log[level](`${entity}-${what}`, { principal, id, ...fields });
  }

  private count(fact: KernelFact): void {
    const { counters } = this.options;
    switch (fact.kind) {
      case 'task-completed':
        counters.add('tasks_finished', 'OK');
        return counters.observe('task_duration', fact.class, fact.ageMs / 1_000);
      case 'task-failed':
        // A process sends the code of its error: only known ones become a label.
        counters.add('tasks_finished', isErrorCode(fact.code) ? fact.code : 'UNKNOWN');
        return counters.observe('task_duration', fact.class, fact.ageMs / 1_000);
      case 'process-refuses-leader':
        return counters.add('processes_deaf');
      case 'process-foreign-epoch':
        return counters.add('foreign_epochs', 'mailbox', fact.messages);
      case 'process-starting':
      case 'process-ready':
      case 'process-draining':
      case 'process-exited':
      case 'node-attached':
      case 'node-refused':
      case 'node-revived':
      case 'node-suspect':
      case 'node-lost':
      case 'kernel-leadership-began':
      case 'kernel-recovered':
        return;
      default:
        assertNever(fact);
    }
  }
}

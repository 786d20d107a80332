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
const WARNINGS: ReadonlySet<string> = new Set(['refuses-leader', 'foreign-epoch']);

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
        return this.announce(decision);
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
      case 'commit-result':
        await taskStream.commitResult(decision);
        return {
          kind: 'result-committed',
          tenant: decision.of.tenant,
          task: decision.of.id,
        };
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

  private announce(decision: Extract<KernelDecision, { kind: 'announce' }>): void {
    const { principal, entity, id, what, fields } = decision;
    if (entity === 'task') this.countEnd(decision);
    else
      this.options.log[WARNINGS.has(what) ? 'warn' : 'info'](`${entity}-${what}`, {
        principal,
        id,
        ...fields,
      });
    if (what === 'refuses-leader') this.options.counters.add('processes_deaf');
    if (what === 'foreign-epoch') {
      this.options.counters.add('foreign_epochs', 'mailbox', Number(fields['messages']));
    }
    if (this.announcementsLeft <= 0) return this.options.counters.add('announcements_dropped');
    this.announcementsLeft -= 1;
    this.options.eventLog.publish(decision);
  }

  private countEnd(decision: Extract<KernelDecision, { kind: 'announce' }>): void {
    const { what, fields } = decision;
    const { counters } = this.options;
    if (what !== 'completed' && what !== 'failed') return;
    const code = what === 'completed' ? 'OK' : fields['code'];
    // A process sends the code of its error: only known ones become a label.
    counters.add('tasks_finished', code === 'OK' || isErrorCode(code) ? code : 'UNKNOWN');
    const { class: taskClass, ageMs } = fields;
    if (typeof taskClass !== 'string' || typeof ageMs !== 'number') return;
    counters.observe('task_duration', taskClass, ageMs / 1_000);
  }
}

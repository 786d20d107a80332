/** What the report of a process means to the core: its facts, in their order. */
import type { AttemptCost, NodeProcess } from '@llmos/base';
import type { ReceivedReport } from '@llmos/wire';
import type { KernelEvent, ReportOrigin } from '../../kernel-event';

/** Accepted, finished, preempted, then what is running now. */
export function eventsOf(from: NodeProcess, report: ReceivedReport): KernelEvent[] {
  const origin: ReportOrigin = {
    nodeId: from.node,
    pid: from.process,
    incarnation: report.incarnation,
  };
  const events: KernelEvent[] = [];
  for (const attempt of report.accepted) events.push({ kind: 'attempt-accepted', origin, attempt });
  for (const { ref: attempt, outcome, cost } of report.finished) {
    if (outcome.kind === 'preempted') {
      events.push({ kind: 'attempt-preempted', origin, attempt, ...costOf(cost) });
    } else {
      events.push({ kind: 'attempt-finished', origin, attempt, outcome, ...costOf(cost) });
    }
  }
  if (report.heartbeat !== undefined) {
    const { costs, epoch, foreign } = report.heartbeat;
    const running = report.heartbeat.running.map((ref, index) => {
      return { ...ref, ...costOf(costs[index]) };
    });
    events.push({ kind: 'process-heartbeat', origin, running, epoch, foreign });
  }
  return events;
}

function costOf(cost: AttemptCost | undefined): { readonly cost?: AttemptCost } {
  return cost === undefined ? {} : { cost };
}

/** The only reader of events: each is handed to the function that knows what it means. */
import { assertNever } from '@llmos/base';
import type { KernelEvent, RegistryEvent } from './kernel-event';
import type { KernelState } from './kernel-state';
import { applyLookUp, takeIn } from './tasks/admission';
import {
  applyAccepted,
  applyAttemptRecorded,
  applyFinished,
  applyPreempted,
} from './tasks/attempts';
import { cancelTask, loseCaller } from './tasks/cancellation';
import { killProcess, setDesired } from './processes/desired-state';
import {
  applyMemory,
  applyProcessChange,
  attachNode,
  detachNode,
  hearNode,
} from './nodes/node-life';
import { applyHeartbeat } from './processes/reconciliation';
import { withdrawPreempts } from './scheduling/preemption';
import { beginLeadership } from './scheduling/recovery';
import { applyDeadLetterStored, applyResultCommitted } from './tasks/stored-answers';
import { beginReroute } from './scheduling/sweeps';
import { retire } from './tasks/task-end';
import type { ModelChanges } from './tasks/catalog';
import { isAnswered } from './tasks/task';

export function applyEvent(state: KernelState, event: KernelEvent): void {
  switch (event.kind) {
    case 'leadership-began':
      beginLeadership(state, event);
      for (const request of event.desired) setDesired(state, request);
      return;
    case 'task-stored':
    case 'task-malformed':
      applyStored(state, event);
      return;
    case 'intake-held-back':
      state.lastRecoveredIntakeMs = state.now.nowMs;
      return;
    case 'cancel-requested':
    case 'caller-gone':
      applyCancel(state, event);
      return;
    case 'result-looked-up':
    case 'attempt-recorded':
    case 'result-committed':
    case 'dead-letter-stored':
      applyAnswer(state, event);
      return;
    case 'attempt-accepted':
      applyAccepted(state, event.origin, event.attempt);
      return;
    case 'attempt-finished':
      applyFinished(state, event);
      return;
    case 'attempt-preempted':
      applyPreempted(state, event);
      return;
    case 'process-heartbeat':
      applyHeartbeat(state, event);
      return;
    case 'node-attached':
      attachNode(state, event);
      return;
    case 'node-heartbeat':
      if (event.isLeaving === true) state.nodes.leave(event.nodeId);
      hearNode(state, event);
      applyMemory(state, event.nodeId, event);
      return;
    case 'node-detached':
      detachNode(state, event.nodeId, event.session);
      return;
    case 'process-changed':
      applyProcessChange(state, event.nodeId, event.process);
      return;
    case 'models-changed':
    case 'model-changed':
    case 'functions-changed':
      applyRegistryChange(state, changesOf(state, event));
      if (event.kind === 'functions-changed') withdrawPreempts(state);
      return;
    case 'spawn-requested':
      setDesired(state, event.request);
      return;
    case 'kill-requested':
      killProcess(state, event.pid);
      return;
    case 'time-passed':
      return;
    default:
      assertNever(event);
  }
}

type Stored = Extract<KernelEvent, { kind: 'task-stored' | 'task-malformed' }>;

function applyStored(state: KernelState, event: Stored): void {
  if (event.kind === 'task-stored') takeIn(state, event.spec, event);
  else takeIn(state, event.spec, { ...event, malformed: event.error });
}

type Cancel = Extract<KernelEvent, { kind: 'cancel-requested' | 'caller-gone' }>;

function applyCancel(state: KernelState, event: Cancel): void {
  if (event.kind === 'cancel-requested') cancelTask(state, event.tenant, event.task);
  else loseCaller(state, event.of);
}

type Answer = Extract<
  KernelEvent,
  { kind: 'result-looked-up' | 'attempt-recorded' | 'result-committed' | 'dead-letter-stored' }
>;

/** What the world answered to a decision. */
function applyAnswer(state: KernelState, event: Answer): void {
  switch (event.kind) {
    case 'result-looked-up': {
      state.lookUps.answered();
      const task = state.tasks.get(event.sequence);
      if (task !== undefined) applyLookUp(state, task, event);
      return;
    }
    case 'attempt-recorded': {
      const task = state.tasks.get(event.sequence);
      if (task === undefined) return;
      applyAttemptRecorded(state, task);
      if (task.state.kind === 'settling' && isAnswered(task)) retire(state, task);
      return;
    }
    case 'result-committed':
      if (!state.earlyCancels.answered(event.tenant, event.task)) state.commits.answered();
      applyResultCommitted(state, event);
      return;
    case 'dead-letter-stored':
      applyDeadLetterStored(state, event.tenant, event.task);
      return;
    default:
      assertNever(event);
  }
}

function changesOf({ catalog }: KernelState, event: RegistryEvent): ModelChanges {
  switch (event.kind) {
    case 'models-changed':
      return catalog.replaceModels(event.models);
    case 'model-changed':
      return catalog.replaceModel(event.target, event.model);
    case 'functions-changed':
      catalog.replaceFunctions(event.functions);
      return { gone: [], changed: [] };
    default:
      return assertNever(event);
  }
}

function applyRegistryChange(state: KernelState, { gone, changed }: ModelChanges): void {
  // While the models are not known, nothing is routed, and nothing can be gone.
  if (!state.catalog.isKnown) return;
  // What was broken may have been mended by registering it again.
  for (const target of changed) state.faults.clearTarget(target);
  if (gone.length > 0 || state.unroutedCount > 0) beginReroute(state);
}

/**
 * The proof of the demand index (K15): looks at every target, process and device, as nobody does
 * who has to be fast, and says where the index knows something else. Reads only.
 */
import type { KernelState } from '../kernel-state';
import { mayTake } from '../nodes/node';
import { choosePlacement, type PlacementOutcome } from '../placement/placement';
import { isPlaced } from '../processes/process';
import type { TargetBlock } from '../processes/target-blocks';
import type { Waiter } from './demand-index';
import {
  canNeverStart,
  hasFreeRow,
  isShort,
  mustProvision,
  subjectOf,
  viewFor,
} from './provisioning';
import { viewDevice } from './node-views';

export function demandViolations(state: KernelState): string[] {
  const { demand, now } = state;
  // Before the next round of provisioning nothing has been judged yet.
  const isDue = (demand.nextMs() ?? Number.POSITIVE_INFINITY) <= now.nowMs;
  if (!state.catalog.isKnown || mustProvision(state) || isDue) return [];
  const waiters = demand.all().filter(({ target }) => !demand.isEnding(target));
  return [
    ...roomViolations(state),
    ...shortViolations(state, waiters),
    ...waiters.flatMap((waiter) => judgementViolations(state, waiter)),
  ];
}

function roomViolations(state: KernelState): string[] {
  const found: string[] = [];
  const known = state.demand.rooms.all(state);
  const takers = state.nodes.all().filter(mayTake);
  if (known.map(({ nodeId }) => nodeId).join() !== takers.map(({ nodeId }) => nodeId).join()) {
    found.push(`K15: ${known.length} nodes may take processes, of ${takers.length}`);
  }
  for (const { nodeId, devices } of known) {
    const here = state.processes.all().filter((of) => of.nodeId === nodeId && isPlaced(of));
    if (new Set([...here, ...state.processes.onNode(nodeId)]).size !== here.length) {
      found.push(`K15: other processes are on ${nodeId} than the index says`);
    }
    for (const room of devices) {
      const seen = viewDevice(state, nodeId, room.view);
      if (JSON.stringify(seen) !== JSON.stringify(room.view)) {
        found.push(`K15: ${nodeId}/${room.deviceId} has other room than the index says`);
      }
      if (room.holder !== undefined && room.holder.claim !== room) {
        found.push(`K15: ${nodeId}/${room.deviceId} is promised to one who does not wait for it`);
      }
    }
  }
  return found;
}

function shortViolations(state: KernelState, waiters: readonly Waiter[]): string[] {
  const { queue, desired, demand, catalog, processes } = state;
  const targets = [...queue.targets(), ...desired.targets(), ...processes.targets()];
  const short = new Set(
    targets
      .filter((target) => catalog.isTarget(target) && !demand.isEnding(target))
      .filter((target) => isShort(state, target)),
  );
  const found = waiters
    .filter(({ target }) => !short.delete(target))
    .map(({ target }) => `K15: ${target} waits and is not short`);
  for (const name of desired.stale()) found.push(`K15: ${name} means another target`);
  for (const target of short) found.push(`K15: ${target} is short and does not wait`);
  for (const { target, head, standing } of waiters) {
    const isSame = head === queue.headOf(target) && isStanding(state, head, standing);
    if (!isSame) found.push(`K15: ${target} stands elsewhere in line`);
  }
  return found;
}

/** Whether it stands now as it is known to. */
function isStanding({ policy }: KernelState, head: Waiter['head'], known: Waiter['standing']) {
  if (head === undefined || known === undefined) return head === known;
  const standing = policy.standing(head);
  return !policy.isBefore(standing, known) && !policy.isBefore(known, standing);
}

function judgementViolations(state: KernelState, waiter: Waiter): string[] {
  const { target, claim } = waiter;
  const block = state.blocks.get(target);
  const subject = subjectOf(state, waiter);
  if (subject.row === undefined && !hasFreeRow(state)) return [];
  const { bytes, isProgram: wantsCpu } = subject;
  const outcome = choosePlacement({ bytes, wantsCpu }, viewFor(state, waiter));
  const expected = expectedOf(outcome);
  const isSame =
    expected !== undefined &&
    expected.because === block?.because &&
    expected.untilMs === block.untilMs &&
    expected.hasClaim === (claim !== undefined) &&
    (claim === undefined || claim.view.freeBytes + claim.view.leavingBytes >= bytes);
  const isFinal = outcome.kind === 'infeasible' || outcome.kind === 'failed';
  if (isFinal && state.queue.sizeOf(target) > 0 && canNeverStart(state, target, bytes)) {
    return [`K15: tasks wait for ${target}, which can never start`];
  }
  if (isSame) return [];
  const hold = claim === undefined ? 'no promise' : `a promise of ${claim.nodeId}`;
  return [`K15: ${target} is blocked by ${block?.because} with ${hold}; it is ${outcome.kind}`];
}

interface Expected extends Pick<TargetBlock, 'because' | 'untilMs'> {
  readonly hasClaim: boolean;
}

/** Undefined where it should have been started. */
function expectedOf(outcome: PlacementOutcome): Expected | undefined {
  const untilMs = 'untilMs' in outcome ? outcome.untilMs : undefined;
  const why = { ...(untilMs === undefined ? {} : { untilMs }), hasClaim: false };
  switch (outcome.kind) {
    case 'placed':
      return undefined;
    case 'deferred':
      return { because: 'memory', hasClaim: true };
    case 'blocked':
      return { because: 'memory', ...why };
    case 'infeasible':
      return { because: 'too-large', ...why };
    case 'failing':
    case 'failed':
    case 'no-nodes':
      return { because: outcome.kind, ...why };
  }
}

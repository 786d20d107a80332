/**
 * Everything the core knows, as one value. Each table names its sole writer in its own file; the
 * functions of `scheduling/` take the whole state and change it in place.
 */
import type { AttemptRef, Epoch, Instant, KernelId, NodeId, ProcessId, Target } from '@llmos/base';
import { RecentMap } from '@llmos/base';
import type { CoreConfig } from './core-options';
import type { KernelDecision, ProcessAddress } from './kernel-decision';
import { CORE_LIMITS } from './limits';
import { MemoryLedger } from './memory/memory-ledger';
import { NodeTable } from './nodes/node-table';
import { DesiredReplicas } from './processes/desired-replicas';
import { FaultTable } from './processes/fault-table';
import { ProcessTable } from './processes/process-table';
import { TargetBlocks } from './processes/target-blocks';
import { Alarms } from './scheduling/alarms';
import { CancelledIds } from './tasks/cancelled-ids';
import { EarlyCancels } from './tasks/early-cancels';
import { RequestWindow } from './scheduling/request-window';
import { DemandIndex } from './scheduling/demand-index';
import { PriorityPolicy } from './scheduling/priority-policy';
import type { QueuePolicy } from './scheduling/queue-policy';
import { RunQueue } from './scheduling/run-queue';
import type { Sweeps } from './scheduling/sweeps';
import { noSweeps } from './scheduling/sweeps';
import { ServiceTimes } from './scheduling/turn-estimate';
import { CallerTable } from './tasks/caller-table';
import { Catalog } from './tasks/catalog';
import { CostTable } from './tasks/cost-table';
import { KeyChains } from './tasks/key-chains';
import { TaskTable } from './tasks/task-table';

export type RecoveryState =
  /** Tasks that may run somewhere are held until the nodes had time to say so. */
  | { readonly kind: 'recovering'; readonly startedAtMs: number; lastAttachMs: number | undefined }
  | { readonly kind: 'over' };

export interface PendingConfirm {
  readonly to: ProcessAddress;
  readonly attempts: Map<string, AttemptRef>;
}

export interface KernelState {
  readonly config: CoreConfig;
  /** Of the event or tick that is being handled. */
  now: Instant;
  epoch: Epoch;
  kernelId: KernelId | undefined;
  recoverUpToSequence: number;
  recovery: RecoveryState;
  /** When the last task of before this leadership came in; orphans are judged only after. */
  lastRecoveredIntakeMs: number;
  /** The greatest sequence of a message that came in. */
  lastSequence: number;

  readonly catalog: Catalog;
  readonly tasks: TaskTable;
  readonly callers: CallerTable;
  readonly chains: KeyChains;
  /** The order of tasks. */
  readonly policy: QueuePolicy;
  readonly queue: RunQueue;
  readonly nodes: NodeTable;
  readonly processes: ProcessTable;
  readonly ledger: MemoryLedger;

  readonly desired: DesiredReplicas;
  /** What failed on which node, and until when it is not tried there. */
  readonly faults: FaultTable;
  /** What needs a process and gets none now. */
  readonly blocks: TargetBlocks;
  /** Key, class, tenant and target → the process that served the key last. */
  readonly affinities: RecentMap<string, ProcessId>;
  /** How long attempts of each target take. */
  readonly services: ServiceTimes;
  readonly cancelled: CancelledIds;
  readonly earlyCancels: EarlyCancels;
  /** Names of tasks with a chosen id that ended lately: a message that calls theirs new is wrong. */
  readonly endedIds: RecentMap<string, true>;

  /** The kernel's own results on their way. */
  readonly commits: RequestWindow;
  /** Questions whether the task of an id has its result. */
  readonly lookUps: RequestWindow;
  /** Work on very many tasks that goes on over several ticks. */
  readonly sweeps: Sweeps;
  /** Tasks that wait until the models are known. */
  unroutedCount: number;

  readonly taskAlarms: Alarms<number>;
  readonly processAlarms: Alarms<ProcessId>;
  readonly nodeAlarms: Alarms<NodeId>;

  /** Targets of which some process may take a task that it could not take at the last tick. */
  readonly offers: Set<Target>;
  /** Who is short of a process, and what each waits for. */
  readonly demand: DemandIndex;
  outbox: KernelDecision[];
  readonly confirms: Map<string, PendingConfirm>;
  progress: number;
  /** Differences between a process's heartbeat and our tables that were repaired. */
  readonly reconciled: { resent: number; refused: number };
  /** Tasks cancelled because their caller, or that of their parent or root, was gone. */
  callerGoneCount: number;
  /** Commands that processes refused because no leader had their epoch. */
  foreignMessages: number;
  /** What attempts cost, by tenant. */
  readonly costs: CostTable;
  runningCount: number;
  lastProcessNumber: number;
  /** Broken rules that can only be seen in the moment. */
  readonly breaches: string[];
}

export function createKernelState(
  config: CoreConfig,
  policy: QueuePolicy = new PriorityPolicy(),
): KernelState {
  return {
    ...createTables(config, policy),
    config,
    policy,
    now: { nowMs: 0, wallMs: 0 },
    epoch: 0 as Epoch,
    kernelId: undefined,
    recoverUpToSequence: 0,
    recovery: { kind: 'over' },
    lastRecoveredIntakeMs: Number.NEGATIVE_INFINITY,
    lastSequence: 0,
    tasks: new TaskTable(),
    callers: new CallerTable(),
    chains: new KeyChains(),
    blocks: new TargetBlocks(),
    affinities: new RecentMap(CORE_LIMITS.maxKeyAffinities),
    services: new ServiceTimes(),
    cancelled: new CancelledIds(CORE_LIMITS.maxCancelledIds),
    earlyCancels: new EarlyCancels(
      CORE_LIMITS.maxEarlyCancels,
      CORE_LIMITS.maxEarlyCancelsPerTenant,
    ),
    endedIds: new RecentMap(CORE_LIMITS.maxEndedIds),
    commits: new RequestWindow(policy.createRequestLine(), {
      maxOpen: CORE_LIMITS.maxOpenCommits,
      maxWaiting: CORE_LIMITS.maxWaitingCommits,
    }),
    lookUps: new RequestWindow(policy.createRequestLine(), {
      maxOpen: CORE_LIMITS.maxOpenLookUps,
      maxWaiting: Number.POSITIVE_INFINITY,
    }),
    sweeps: noSweeps(),
    unroutedCount: 0,
    taskAlarms: new Alarms(),
    processAlarms: new Alarms(),
    nodeAlarms: new Alarms(),
    outbox: [],
    confirms: new Map(),
    progress: 0,
    reconciled: { resent: 0, refused: 0 },
    callerGoneCount: 0,
    foreignMessages: 0,
    costs: new CostTable(CORE_LIMITS.maxCostTenants),
    runningCount: 0,
    lastProcessNumber: 0,
    breaches: [],
  };
}

type ConnectedTables = Pick<
  KernelState,
  | 'catalog'
  | 'queue'
  | 'nodes'
  | 'processes'
  | 'ledger'
  | 'desired'
  | 'faults'
  | 'offers'
  | 'demand'
>;

/** The tables that tell their changes, and who is told: dispatch of `offers`, provisioning of all. */
function createTables(config: CoreConfig, policy: QueuePolicy): ConnectedTables {
  const offers = new Set<Target>();
  const demand = new DemandIndex(policy);
  const noteFacts = (target: Target): void => demand.noteTarget(target, 'facts');
  const queue = new RunQueue(policy, {
    onOffer: (target) => offers.add(target),
    onChange: (target, size) => demand.noteQueue(target, size),
  });
  const processes = new ProcessTable({
    onState: ({ target, nodeId, deviceId }) => {
      noteFacts(target);
      demand.rooms.noteDevice(nodeId, deviceId);
    },
    onWork: (process) => demand.noteWork(process),
    onRoom: ({ target }) => offers.add(target),
  });
  const catalog = new Catalog((change) => {
    desired.follow(change);
    if (change.kind === 'model') noteFacts(change.target);
    else for (const table of [queue, processes, desired]) table.targets().forEach(noteFacts);
  });
  const desired = new DesiredReplicas(catalog, noteFacts);
  const { restartBackoff: backoff, restartWindowMs: windowMs, permanentFaultMs } = config;
  return {
    ...{ offers, demand, queue, processes, catalog, desired },
    nodes: new NodeTable((nodeId) => demand.rooms.noteNode(nodeId)),
    ledger: new MemoryLedger(config.headroomShare, (nodeId, deviceId) =>
      demand.rooms.noteDevice(nodeId, deviceId),
    ),
    faults: new FaultTable({ backoff, windowMs, permanentMs: permanentFaultMs }, noteFacts),
  };
}

export function emit(state: KernelState, decision: KernelDecision): void {
  state.outbox.push(decision);
}

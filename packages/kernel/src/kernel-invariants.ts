/**
 * The rules that hold after every event, each with its name. Pure: reads the state, changes
 * nothing.
 * K1 permits: a process has at most its permits running, and exactly the running tasks hold them.
 * K2 places: a live task is where its state says, and in no second place.
 * K3 memory: reserved + committed never exceeds a device; exactly the placed processes hold bytes.
 * K4 identity: the indexes of live tasks agree, that of families among them.
 * K5 keys: only the first task of a key is on its way.
 * K6 ends: what is acknowledged has a result (checked where it is acknowledged), and what settles
 *     waits for an answer; nothing is left between two attempts, and what is gone is in no table.
 * K7 homes: a process that serves is on a node that is not lost.
 * K8 apart: a task that runs apart is alone.
 * K9 clock: what waits has an alarm.
 * K10 preemption: only what is preemptible is asked back, and none more often than the bound.
 * K11 callers: exactly the live tasks that are bound to a caller are in its index.
 * K12 masses: what ends is asked for or waits for that; what waits for models, and what all that is
 *     held weighs, is counted.
 * K13 blocks: what waits has a process or a block that says why; faults are of nodes of now.
 * K14 classes: the permits that each class and tenant holds of a process are counted.
 * K15 demand: the index of who is short of a process, and for what, says what a scan of everything
 *     would (`scheduling/demand-scan.ts`).
 */
import { TASK_CLASSES } from '@llmos/base';
import type { KernelState } from './kernel-state';
import { CORE_LIMITS } from './limits';
import { isPlaced, isServing, type Process } from './processes/process';
import { demandViolations } from './scheduling/demand-scan';
import { isShort, mustProvision } from './scheduling/provisioning';
import { callerOf, isAnswered, isOpen, type Task } from './tasks/task';
import { ancestorsOf } from './tasks/task-table';
import { weightOf } from './tasks/task-weight';

export function findViolations(state: KernelState): string[] {
  return [
    ...state.breaches,
    ...permitViolations(state),
    ...placeViolations(state),
    ...endViolations(state),
    ...familyViolations(state),
    ...memoryViolations(state),
    ...keyViolations(state),
    ...homeViolations(state),
    ...callerViolations(state),
    ...massViolations(state),
    ...blockViolations(state),
    ...demandViolations(state),
  ];
}

function permitViolations(state: KernelState): string[] {
  const found: string[] = [];
  let spent = 0;
  for (const process of state.processes.all()) {
    spent += process.running.size;
    const isLive = process.state.kind === 'ready' || process.state.kind === 'draining';
    if (process.running.size > (isLive ? process.permits : 0)) {
      found.push(`K1: ${process.pid} runs ${process.running.size} of ${process.permits}`);
    }
    if ((process.running.size === 0) !== (process.idleSinceMs !== undefined)) {
      found.push(`K1: ${process.pid} is wrong about being idle`);
    }
    if (!isCounted(state, process)) {
      found.push(`K14: ${process.pid} is wrong about the classes and tenants that run`);
    }
    for (const sequence of process.running) {
      const task = state.tasks.get(sequence);
      if (task?.state.kind !== 'running' || task.state.place.pid !== process.pid) {
        found.push(`K1: ${process.pid} lost the permit of ${sequence}`);
      } else if (task.state.preempt !== undefined && !mayBePreempted(state, task)) {
        found.push(`K10: ${task.spec.id} is asked back`);
      } else if (task.isApart && process.running.size > 1) {
        found.push(`K8: ${task.spec.id} runs apart and is not alone in ${process.pid}`);
      }
    }
  }
  if (spent !== state.runningCount) {
    found.push(`K1: ${spent} permits are spent, ${state.runningCount} tasks run`);
  }
  return found;
}

function isCounted(state: KernelState, process: Process): boolean {
  const specs = [...process.running].flatMap((sequence) => state.tasks.get(sequence)?.spec ?? []);
  const tenants = new Set(specs.map(({ tenant }) => tenant));
  const { runningByTenant } = process;
  if (runningByTenant.tenants.length !== tenants.size) return false;
  return TASK_CLASSES.every((each) => {
    const ofClass = specs.filter((spec) => spec.class === each);
    const isCounted = [...tenants].every((tenant) => {
      const count = ofClass.filter((spec) => spec.tenant === tenant).length;
      return runningByTenant.of(tenant)[each] === count;
    });
    return isCounted && ofClass.length === process.runningByClass[each];
  });
}

function mayBePreempted({ catalog }: KernelState, { spec, preemptions }: Task): boolean {
  return catalog.traitsOf(spec.function).preemptible && preemptions < CORE_LIMITS.maxPreemptions;
}

function endViolations(state: KernelState): string[] {
  return [...state.tasks.all()].flatMap((task) => {
    const { kind } = task.state;
    const isLeft = kind === 'between-attempts' || kind === 'gone';
    const isSettled = kind === 'settling' && isAnswered(task);
    return isLeft || isSettled ? [`K6: ${task.spec.id} is ${kind} for good`] : [];
  });
}

function placeViolations(state: KernelState): string[] {
  const found: string[] = [];
  let queued = 0;
  let running = 0;
  for (const task of state.tasks.all()) {
    const { spec } = task;
    if (task.state.kind === 'queued') queued += 1;
    if (task.state.kind === 'running') running += 1;
    if (state.queue.has(task) !== (task.state.kind === 'queued')) {
      found.push(`K2: ${spec.id} is ${task.state.kind} and the queue disagrees`);
    }
    if (task.state.kind === 'running' && !holdsPermit(state, task)) {
      found.push(`K2: ${spec.id} runs where no process has it`);
    }
    const isReleased = state.recovery.kind === 'over' && state.sweeps.release === undefined;
    if (task.state.kind === 'held' && isReleased) {
      found.push(`K2: ${spec.id} is held after the recovery`);
    }
    if (state.tasks.find(spec.tenant, spec.id) !== task) {
      found.push(`K4: ${spec.tenant}/${spec.id} is live twice`);
    }
    if (isOpen(task) && !state.taskAlarms.has(spec.sequence)) {
      found.push(`K9: ${spec.id} is ${task.state.kind} without an alarm`);
    }
  }
  if (queued !== state.queue.size) found.push(`K2: the queue holds tasks that are not live`);
  if (running !== state.runningCount) {
    found.push(`K1: ${running} tasks run, ${state.runningCount} are counted`);
  }
  return found;
}

function holdsPermit(state: KernelState, task: Task): boolean {
  if (task.state.kind !== 'running') return false;
  const { pid, incarnation } = task.state.place;
  const process = state.processes.get(pid);
  return process?.incarnation === incarnation && process.running.has(task.spec.sequence);
}

function familyViolations(state: KernelState): string[] {
  const found: string[] = [];
  const families = state.tasks.allFamilies();
  const ofTenant = new Map(families);
  let indexed = 0;
  let memberships = 0;
  let count = 0;
  for (const task of state.tasks.all()) {
    for (const ancestor of ancestorsOf(task)) {
      indexed += 1;
      if (ofTenant.get(task.spec.tenant)?.isMember(ancestor, task) === true) continue;
      found.push(`K4: ${task.spec.id} is not in the family of ${ancestor}`);
    }
  }
  for (const [, groups] of families) {
    count += groups.size;
    for (const id of groups.keys()) memberships += groups.sizeOf(id);
  }
  if (memberships !== indexed || count !== state.tasks.familyCount) {
    found.push(`K4: ${count} families have ${memberships} members, live tasks ${indexed}`);
  }
  return found;
}

function memoryViolations(state: KernelState): string[] {
  const found = state.ledger.violations();
  const holders = new Set(state.ledger.holders());
  for (const process of state.processes.all()) {
    if (isPlaced(process) !== holders.delete(process.pid)) {
      found.push(`K3: ${process.pid} is ${process.state.kind} and the ledger disagrees`);
    }
  }
  for (const pid of holders) found.push(`K3: ${pid} holds bytes and has no row`);
  return found;
}

function keyViolations(state: KernelState): string[] {
  const found: string[] = [];
  for (const line of state.chains.lines()) {
    line.forEach((task, index) => {
      const before = line[index - 1];
      if (before === undefined) return;
      if (before.spec.sequence >= task.spec.sequence) {
        found.push(`K5: key ${task.spec.key} is out of order`);
      }
      const { kind } = task.state;
      if (kind === 'queued' || kind === 'running' || kind === 'held' || kind === 'backing-off') {
        found.push(`K5: ${task.spec.id} is ${kind} behind ${before.spec.id} of its key`);
      }
    });
  }
  return found;
}

function homeViolations(state: KernelState): string[] {
  return state.processes
    .all()
    .filter((process) => isServing(process))
    .filter((process) => {
      const kind = state.nodes.get(process.nodeId)?.state.kind;
      return kind === undefined || kind === 'lost';
    })
    .map((process) => `K7: ${process.pid} serves on ${process.nodeId}, which is not there`);
}

function callerViolations(state: KernelState): string[] {
  const found: string[] = [];
  let callers = 0;
  for (const [tenant, ofTenant] of state.callers.all()) {
    callers += ofTenant.size;
    for (const caller of ofTenant.keys()) {
      if (ofTenant.sizeOf(caller) === 0) {
        found.push(`K11: nothing is bound to ${tenant}/${caller}`);
      }
      for (const task of ofTenant.membersOf(caller)) {
        const isLive = state.tasks.get(task.spec.sequence) === task;
        if (isLive && callerOf(task) === caller && task.spec.tenant === tenant) continue;
        found.push(`K11: ${task.spec.id} is not bound to ${tenant}/${caller}`);
      }
    }
  }
  if (callers !== state.callers.size) {
    found.push(`K11: ${callers} callers are known, ${state.callers.size} are counted`);
  }
  for (const task of state.tasks.all()) {
    const caller = callerOf(task);
    if (caller === undefined) continue;
    const ofTenant = state.callers.all().get(task.spec.tenant);
    if (ofTenant?.isMember(caller, task) !== true) {
      found.push(`K11: ${task.spec.id} is not indexed`);
    }
  }
  return found;
}

function massViolations(state: KernelState): string[] {
  const found: string[] = [];
  let committing = 0;
  let unrouted = 0;
  let weight = 0;
  for (const task of state.tasks.all()) {
    weight += weightOf(task);
    if (task.state.kind === 'committing') committing += 1;
    if (task.state.kind === 'unrouted') unrouted += 1;
  }
  if (weight !== state.tasks.weightBytes) {
    found.push(`K12: what is held weighs ${weight}, ${state.tasks.weightBytes} is counted`);
  }
  const { open } = state.commits;
  if (committing > open + state.commits.waiting()) {
    found.push(`K12: ${committing} tasks end, ${open} commits are asked for`);
  }
  if (open > CORE_LIMITS.maxOpenCommits) {
    found.push(`K12: ${open} commits are asked for at once`);
  }
  if (state.lookUps.open > CORE_LIMITS.maxOpenLookUps) {
    found.push(`K12: ${state.lookUps.open} look-ups are asked for at once`);
  }
  if (unrouted !== state.unroutedCount) {
    found.push(`K12: ${unrouted} tasks wait for models, ${state.unroutedCount} are counted`);
  }
  return found;
}

function blockViolations(state: KernelState): string[] {
  const found: string[] = [];
  for (const { target, nodeId } of state.faults.all()) {
    const kind = state.nodes.get(nodeId)?.state.kind;
    if (kind === undefined || kind === 'lost') {
      found.push(`K13: ${target} has a fault on ${nodeId}, which is not there`);
    }
  }
  if (state.faults.size > CORE_LIMITS.maxFaults) {
    found.push(`K13: ${state.faults.size} faults are remembered`);
  }
  // Before the next round of provisioning nothing has been judged yet.
  if (mustProvision(state) || !state.catalog.isKnown) return found;
  for (const target of state.queue.targets()) {
    const isBlocked = state.blocks.get(target) !== undefined;
    if (isShort(state, target) && !isBlocked && state.catalog.isTarget(target)) {
      found.push(`K13: ${target} has tasks, no process, and no block that says why`);
    }
  }
  return found;
}

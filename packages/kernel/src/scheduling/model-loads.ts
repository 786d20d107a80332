/** What waits for each model and runs in it, for metrics: one row a model, and few rows. Reads only. */
import type { Target } from '@llmos/base';
import { compareIds } from '@llmos/base';
import type { KernelState } from '../kernel-state';
import { CORE_LIMITS } from '../limits';
import type { Process } from '../processes/process';

export interface ModelLoad {
  /** `name@version`, a built-in program, or OTHER_MODELS. */
  readonly model: string;
  readonly queued: number;
  /** Tasks that hold a permit of one of its processes. */
  readonly running: number;
  /** Of its ready processes; 0 without one. */
  readonly permits: number;
  readonly permitsInUse: number;
  /** Of those that generate and said it: sequences that may have a row, and that have one. */
  readonly rows: number;
  readonly rowsInUse: number;
}

/** The models beyond the most that are listed, together. No model's name: those have a version. */
export const OTHER_MODELS = 'other';

type Sums = { -readonly [Key in Exclude<keyof ModelLoad, 'model'>]: number };

/**
 * Models that have a process or that tasks wait for: no other has a row, so a model that was
 * removed leaves with its last task and process. Of more than the bound those with most waiting,
 * then most running, have rows of their own; sums over all rows are complete.
 */
export function modelLoads(state: KernelState): ModelLoad[] {
  const sums = new Map<Target, Sums>();
  const sumsOf = (target: Target): Sums => {
    const found = sums.get(target) ?? noLoad();
    sums.set(target, found);
    return found;
  };
  for (const target of state.queue.targets()) {
    sumsOf(target).queued = state.queue.sizeOf(target);
  }
  for (const process of state.processes.all()) {
    const { kind } = process.state;
    if (kind !== 'backing-off') addProcess(sumsOf(process.target), process);
  }
  const loads = [...sums].map(([model, of]): ModelLoad => ({ model, ...of }));
  const most = CORE_LIMITS.maxModelRows;
  if (loads.length <= most) return loads;
  loads.sort(
    (a, b) => b.queued - a.queued || b.running - a.running || compareIds(a.model, b.model),
  );
  const other = noLoad();
  for (const load of loads.splice(most)) addLoad(other, load);
  return [...loads, { model: OTHER_MODELS, ...other }];
}

function noLoad(): Sums {
  return { queued: 0, running: 0, permits: 0, permitsInUse: 0, rows: 0, rowsInUse: 0 };
}

function addProcess(sums: Sums, process: Process): void {
  const { running, permits, contexts, state } = process;
  sums.running += running.size;
  if (state.kind === 'ready') {
    sums.permits += permits;
    sums.permitsInUse += running.size;
  }
  if (contexts?.maxRows === undefined) return;
  sums.rows += contexts.maxRows;
  sums.rowsInUse += Math.min(contexts.running, contexts.maxRows);
}

function addLoad(sums: Sums, load: ModelLoad): void {
  for (const key of Object.keys(sums) as (keyof Sums)[]) sums[key] += load[key];
}

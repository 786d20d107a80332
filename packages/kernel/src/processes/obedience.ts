/**
 * Whether processes obey this leader: each heartbeat says whose commands it obeys, and how many it
 * has refused because no leader had their epoch. One that goes on obeying another is of no use.
 */
import { emit, type KernelState } from '../kernel-state';
import { CORE_LIMITS } from '../limits';
import type { Process } from './process';
import { addressOf, announceProcess, drainProcess, factOf } from './process-life';

export interface SaidOfEpochs {
  readonly epoch?: number;
  readonly foreign?: number;
}

export function judgeObedience(state: KernelState, process: Process, said: SaidOfEpochs): void {
  countForeign(state, process, said.foreign ?? 0);
  const { epoch } = said;
  if (epoch === undefined || epoch === state.epoch || process.state.kind !== 'ready') {
    process.deaf = undefined;
    return;
  }
  const { sinceMs, beats } = process.deaf ?? { sinceMs: state.now.nowMs, beats: 0 };
  process.deaf = { epoch, sinceMs, beats: beats + 1 };
  const isLong = state.now.nowMs - sinceMs >= CORE_LIMITS.deafMs;
  if (!isLong || process.deaf.beats < CORE_LIMITS.deafBeats) {
    // What told it of us may be lost.
    emit(state, { kind: 'greet-process', to: addressOf(process) });
    return;
  }
  announceProcess(state, {
    kind: 'process-refuses-leader',
    ...factOf(process),
    obeys: epoch,
    epoch: state.epoch,
  });
  drainProcess(state, process, { reason: 'refuses-leader', graceMs: state.config.killGraceMs });
}

function countForeign(state: KernelState, process: Process, foreign: number): void {
  const more = foreign - process.foreignCount;
  if (!Number.isSafeInteger(foreign) || more <= 0) return;
  process.foreignCount = foreign;
  state.foreignMessages += more;
  announceProcess(state, { kind: 'process-foreign-epoch', ...factOf(process), messages: more });
}

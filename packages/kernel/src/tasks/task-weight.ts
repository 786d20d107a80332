/**
 * What a task that waits takes in the heap of the kernel, about: in the tables of the core, and the
 * message that is held for it, without its body. By `tests/bench/held-tasks.ts`.
 */
import { CORE_LIMITS } from '../limits';
import type { Task } from './task';
import type { TaskSpec } from './task-spec';

const { heldTaskBytes, heldTextBytes, heldIndexBytes, heldKeyBytes, heldModelBytes } = CORE_LIMITS;

/** Of the task and of the message that stands beside it, where another caller sent that. */
export function weightOf({ spec, repeat }: Pick<Task, 'spec' | 'repeat'>): number {
  return repeat === undefined ? weightOfSpec(spec) : weightOfSpec(spec) + weightOfSpec(repeat);
}

function weightOfSpec(spec: TaskSpec): number {
  const { key, model } = spec;
  return (
    heldTaskBytes +
    (spec.hasOwnId ? textBytes(spec.id) + textBytes(spec.digest) : 0) +
    (key === undefined ? 0 : heldKeyBytes + 2 * key.length + spec.tenant.length) +
    // As its own text, and as the name of its target.
    (model === undefined ? 0 : heldModelBytes + 2 * (model.name + (model.version ?? '')).length) +
    nameBytes(spec.parent) +
    nameBytes(spec.root) +
    nameBytes(spec.caller) +
    textBytes(spec.flow) +
    textBytes(spec.traceparent)
  );
}

/** Of one that an index has. */
function nameBytes(name: string | undefined): number {
  return name === undefined ? 0 : textBytes(name) + heldIndexBytes;
}

function textBytes(text: string | undefined): number {
  return text === undefined ? 0 : heldTextBytes + text.length;
}

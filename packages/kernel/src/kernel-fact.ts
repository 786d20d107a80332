/**
 * What has happened, for people: lifecycle events, logs and metrics. One union: everything that the
 * core tells beside what it wants done. The kind names the entity and what became of it.
 */
import type {
  AttemptCost,
  FunctionName,
  KernelId,
  NodeId,
  ProcessId,
  Target,
  TaskClass,
  TaskId,
  TenantId,
} from '@llmos/base';

/** The cost is absent where it cost nothing. */
interface EndedTask extends Partial<AttemptCost> {
  readonly tenant: TenantId;
  readonly id: TaskId;
  readonly function: FunctionName;
  readonly class: TaskClass;
  readonly attempts: number;
  readonly ageMs: number;
}

interface OfProcess {
  readonly id: ProcessId;
  readonly target: Target;
  readonly node: NodeId;
  readonly incarnation: number;
}

interface OfNode {
  readonly id: NodeId;
}

interface OfKernel {
  readonly id: KernelId | 'unknown';
  readonly epoch: number;
}

export type TaskFact =
  | ({ readonly kind: 'task-completed' } & EndedTask)
  | ({ readonly kind: 'task-failed'; readonly code?: string } & EndedTask);

export type ProcessFact = OfProcess &
  (
    | { readonly kind: 'process-starting'; readonly device: string; readonly reservedBytes: number }
    | { readonly kind: 'process-ready'; readonly device: string; readonly footprintBytes: number }
    | { readonly kind: 'process-draining'; readonly reason: string }
    | {
        readonly kind: 'process-exited';
        readonly message: string;
        /** With the others: where it failed, and is tried again. */
        readonly failures?: number;
        readonly isPermanent?: boolean;
        readonly retryInMs?: number;
      }
    /** It obeys another epoch than ours, for long. */
    | { readonly kind: 'process-refuses-leader'; readonly obeys: number; readonly epoch: number }
    /** It was sent so many more messages with an epoch that no leader had. */
    | { readonly kind: 'process-foreign-epoch'; readonly messages: number }
  );

export type NodeFact = OfNode &
  (
    | { readonly kind: 'node-attached'; readonly session: string }
    /** As many nodes as may be are there. */
    | { readonly kind: 'node-refused'; readonly limit: number }
    | { readonly kind: 'node-revived' | 'node-suspect' | 'node-lost' }
  );

export type LeaderFact = OfKernel &
  (
    | { readonly kind: 'kernel-leadership-began'; readonly recoverUpToSequence: number }
    | { readonly kind: 'kernel-recovered'; readonly elapsedMs: number }
  );

export type KernelFact = TaskFact | ProcessFact | NodeFact | LeaderFact;

/** A fact in the words of events and logs. */
export interface ToldFact {
  /** The tenant of a task; else `system`. */
  readonly principal: string;
  readonly entity: 'task' | 'process' | 'node' | 'kernel';
  readonly id: string;
  readonly what: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function tellFact(fact: KernelFact): ToldFact {
  if (isOfTask(fact)) {
    const { kind, tenant, id, ...fields } = fact;
    return { principal: tenant, ...namesIn(kind), id, fields };
  }
  const { kind, id, ...fields } = fact;
  return { principal: 'system', ...namesIn(kind), id, fields };
}

export function isOfTask(fact: KernelFact): fact is TaskFact {
  return fact.kind === 'task-completed' || fact.kind === 'task-failed';
}

function namesIn(kind: KernelFact['kind']): Pick<ToldFact, 'entity' | 'what'> {
  const dash = kind.indexOf('-');
  return { entity: kind.slice(0, dash) as ToldFact['entity'], what: kind.slice(dash + 1) };
}

/** Requests and answers of the system calls (`llmos.v1.sys.<principal>.<call>`). */
import type { AttemptCost } from './attempt-cost';
import type { FunctionDefinition } from './functions/function-definition';
import type { ModelRegistration } from './model-package';
import type { ClockReading } from './server-time';
import type { TaskClass } from './task-class';

/** Generations in one process. */
export interface ProcessContexts {
  /** With a row of keys and values, without one, and saved ones that go on later. */
  readonly running: number;
  readonly waiting: number;
  readonly saved: number;
  /** That may have a row at once; absent where the node does not say. */
  readonly maxRows?: number;
  readonly rowBytes: number;
  readonly savedBytes: number;
  /** Of beginnings of prompts that are kept for others. */
  readonly prefixBytes: number;
}

/**
 * Why no process of a target can be started now: every node that fits failed it a moment ago
 * (`failing`) or for good (`failed`), its memory is in use elsewhere, no node is there, none is large
 * enough, or the kernel holds as many processes as it may.
 */
export type BlockCause = 'failing' | 'failed' | 'memory' | 'no-nodes' | 'too-large' | 'processes';

/** One row of `ps`. */
export interface ProcessRow {
  readonly pid: string;
  /** Of the process host; absent until it has started. */
  readonly osPid?: number;
  /** `name@version`, or the name of a built-in program. */
  readonly model: string;
  readonly node: string;
  readonly state: 'starting' | 'ready' | 'draining' | 'backing-off' | 'exited';
  /** How often it was started. */
  readonly incarnation: number;
  readonly device: string;
  readonly running: number;
  readonly permits: number;
  readonly queued: number;
  readonly footprintBytes: number;
  /** Of a model that generates, a few seconds old; absent until its node has said it. */
  readonly contexts?: ProcessContexts;
  readonly reason?: string;
}

export interface DeviceRow {
  /** `cpu`, `webgpu:0`, `cuda:0`. */
  readonly id: string;
  readonly provider: 'cpu' | 'webgpu' | 'cuda';
  readonly name: string;
  readonly capacityBytes: number;
  readonly reservedBytes: number;
  readonly committedBytes: number;
}

/** A model that failed on a node. */
export interface NodeFault {
  /** `name@version`, or the name of a built-in program. */
  readonly model: string;
  /** In a row; 0 where it died under work only. */
  readonly failures: number;
  /** Another try is not expected to help. */
  readonly isPermanent: boolean;
  readonly message: string;
  /** From then on it is tried there again. */
  readonly retryInMs: number;
}

/** Why nothing of a model can be started now. Its tasks wait. */
export interface Block {
  readonly because: BlockCause;
  /** For people: the last reason of each node that failed it, or what is missing. */
  readonly message: string;
  /** Until it is tried again; absent where something must happen first. */
  readonly retryInMs?: number;
}

/** A model that needs a process, more of them, or its first one, and gets none now. */
export interface BlockedModel extends Block {
  /** `name@version`, or the name of a built-in program. */
  readonly model: string;
  /** Tasks that wait for it. */
  readonly queued: number;
}

/** One row of `nodes`. */
export interface NodeRow {
  readonly node: string;
  readonly state: 'alive' | 'suspect' | 'lost';
  readonly cores: number;
  readonly memoryBytes: number;
  readonly devices: readonly DeviceRow[];
  readonly providers: readonly string[];
  readonly versions: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Milliseconds left of its lease. */
  readonly leaseMs: number;
  readonly processes: number;
  /** What failed here and is not tried now, the latest last; absent where nothing did. */
  readonly faults?: readonly NodeFault[];
  /** Its wall clock less the NATS server's; absent where it did not say. */
  readonly clockOffsetMs?: number;
}

export type TaskStatus =
  | { readonly state: 'unknown' }
  | {
      readonly state: 'queued' | 'running' | 'retrying' | 'finishing';
      readonly class: TaskClass;
      readonly function: string;
      readonly attempts: number;
      readonly pid?: string;
      /** Of one that runs: what its attempts have cost so far, as far as this leader was told. */
      readonly cost?: AttemptCost;
      /** Of one that does not run. */
      readonly waitsFor?: TaskWait;
      /** Where it waits for a process and its model is blocked. */
      readonly blocked?: Block;
      /** In the line of its model: 1 goes next. Absent where very many are ahead. */
      readonly position?: number;
      /** Those of its tenant and of others that go first. */
      readonly ahead?: { readonly own: number; readonly others: number };
      /** In about so long it has its turn, by what its model does now; absent where that is unknown. */
      readonly estimateMs?: number;
    };

/**
 * What a task waits for: the models to be known (after a change of the leader), what is stored of
 * its id, the nodes to say what they run, an earlier task of its key, a process of its model to be
 * started, its turn there, or the time of its next attempt.
 */
export type TaskWait = 'models' | 'look-up' | 'nodes' | 'key' | 'process' | 'turn' | 'retry';

export interface SpawnRequest {
  /** NAME, NAME@VERSION, or the name of a built-in program. */
  readonly model: string;
  /** Processes to keep running; 0 stops them all. */
  readonly replicas: number;
}

export interface AttachRequest {
  readonly task: string;
  /** A token: chunks go to `llmos.v1.deliver.<tenant>.<client>`, which the caller has subscribed. */
  readonly client: string;
  /** Begins with the chunk that holds the output token of this index; default 0. */
  readonly fromIndex?: number;
}

export interface Attached {
  readonly task: string;
  /** Where the chunks come. */
  readonly subject: string;
  /** `ended`: what comes is all there will be. */
  readonly state: 'running' | 'ended';
  /** Where there is nothing to send for this long, an empty message says that all is well. */
  readonly keepAliveMs: number;
}

/** What JetStream says of one stream. */
export interface StreamLoad {
  readonly stream: string;
  readonly messages: number;
  readonly bytes: number;
  /** 0: no limit of its own. */
  readonly maxBytes: number;
  /** When its oldest message leaves by its age; absent where it has none, or no age limit. */
  readonly freesInMs?: number;
}

/** The kernel's intake of one class. */
export interface IntakeRow {
  readonly class: TaskClass;
  /** Stored and not yet delivered to the leader. */
  readonly pending: number;
  /** Held by the leader until their results are stored. */
  readonly ackPending: number;
}

/** Someone else writes where only kernels should. */
export interface ForeignEpochsSeen {
  /** To mailboxes of processes, since this kernel leads. */
  readonly messages: number;
  /** In `llmos_leader`, since this kernel was started; the leader writes over them. */
  readonly leaderRecords: number;
  /** Of `LLMOS_TASKS`, since this kernel was started; the leader deletes them. */
  readonly intakeConsumers: number;
}

/** How much of one thing the tenant that asks may have, and how much of it is left now. */
export interface LimitRow {
  /**
   * `tasks`: live ones. `calls`: that wait at this kernel. `readers`: that attached. `resultBytes`,
   * `answerBytes`: stored results, kept long and briefly; of these all tenants share the limit.
   */
  readonly name: 'tasks' | 'calls' | 'readers' | 'resultBytes' | 'answerBytes';
  readonly limit: number;
  /** 0: what needs it is refused now. It may be taken by others, too. */
  readonly remaining: number;
  /** When some of it comes back by time alone; absent where only an end of something gives it back. */
  readonly resetMs?: number;
}

export interface SystemInfo {
  readonly kernel: string;
  readonly epoch: number;
  readonly version: string;
  readonly httpUrl: string;
  readonly queued: Readonly<Record<TaskClass, number>>;
  readonly running: number;
  /** Tasks of every state that the leader holds. */
  readonly tasks: number;
  readonly waitingCalls: number;
  /** A new leader that still waits for the nodes to say what they run. */
  readonly isRecovering: boolean;
  /** Models that tasks or replicas wait for in vain, most waiting first; at most 100. */
  readonly blocked?: readonly BlockedModel[];
  /** The leader's wall clock and the NATS server's; absent from older kernels. */
  readonly clock?: ClockReading;
  /** What carried an epoch that no leader had, and was refused; absent from older kernels. */
  readonly foreignEpochs?: ForeignEpochsSeen;
  /** Empty while JetStream does not answer. */
  readonly streams: readonly StreamLoad[];
  readonly intake: readonly IntakeRow[];
}

/** Of every call whose answer is a list: which part of it. */
export interface PageRequest {
  /** Rows at most, from 1; a page ends earlier where a message would become too large. */
  readonly pageSize?: number;
  /** `nextPageToken` of the page before; absent: from the beginning. */
  readonly pageToken?: string;
}

/** A list, or a part of it that fits into one message. */
export type Paged<List> = List & {
  /** Where the list goes on; absent: this was the end. */
  readonly nextPageToken?: string;
};

/** Call name → request and answer. Only the leader answers. */
export interface SystemCalls {
  readonly ps: { request: PageRequest; output: Paged<{ processes: readonly ProcessRow[] }> };
  readonly nodes: { request: PageRequest; output: Paged<{ nodes: readonly NodeRow[] }> };
  readonly models: {
    request: PageRequest;
    output: Paged<{ models: readonly ModelRegistration[] }>;
  };
  readonly functions: {
    request: PageRequest;
    output: Paged<{ functions: readonly FunctionDefinition[] }>;
  };
  readonly info: { request: object; output: SystemInfo };
  readonly limits: { request: object; output: { limits: readonly LimitRow[] } };
  readonly status: { request: { task: string }; output: TaskStatus };
  readonly attach: { request: AttachRequest; output: Attached };
  readonly spawn: { request: SpawnRequest; output: { model: string; replicas: number } };
  readonly kill: { request: { pid: string }; output: { pid: string } };
  readonly 'model-add': {
    request: Omit<ModelRegistration, 'version' | 'addedWallMs'> & { version?: string };
    output: { model: ModelRegistration; added: boolean };
  };
  /** Of very many versions a part is removed; `nextPageToken` says that others are left. */
  readonly 'model-remove': {
    request: PageRequest & { model: string };
    output: Paged<{ removed: readonly string[] }>;
  };
}
export type SystemCallName = keyof SystemCalls;

/** Calls that only the principal `operator` may make (and, on a laptop, `default`). */
export const OPERATOR_CALLS: ReadonlySet<SystemCallName> = new Set<SystemCallName>([
  'spawn',
  'kill',
  'model-add',
  'model-remove',
]);

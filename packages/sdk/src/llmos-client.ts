/** What a client can do, put together from the parts that do it. */
import type {
  FunctionDefinition,
  LimitRow,
  ModelRegistration,
  NodeRow,
  ProcessRow,
  SpawnRequest,
  SystemInfo,
  TaskId,
  TenantId,
  StoreSequences,
} from '@llmos/base';
import {
  HEADERS,
  LEADER_STREAM,
  SEQUENCES_SUBJECT,
  STREAMS,
  parseStoreSequences,
} from '@llmos/base';
import type { SubmitOptions, TaskOptions, WaitOptions } from './call-options';
import { assertOptions, checkWait, token } from './call-options';
import type { ClientContext } from './client-context';
import { assertOpen } from './client-context';
import type { DeadLetters } from './dead-letters';
import { createDeadLetters } from './dead-letters';
import type { EventOptions, LifecycleEvent } from './events';
import { readEvents } from './events';
import type { BuiltInCalls } from './functions/built-in-calls';
import { builtInCalls } from './functions/built-in-calls';
import type { InputOf, OutputOf } from './functions/function-map';
import { SDK_LIMITS } from './limits';
import type { AddModelOptions, ModelUploadParts } from './model-upload';
import { addModel } from './model-upload';
import type { ReadLimit, StreamDescription } from './ports/stored-messages';
import type { ReplyStream } from './reply-iterator';
import { openReplyStream } from './reply-stream';
import { streamState } from './stored-walk';
import type { ListOf } from './system-lists';
import { listAll } from './system-lists';
import { systemCall } from './system-requests';
import type { TaskHandle } from './task-handle';
import type { StoredResults } from './stored-results';
import { createStoredResults } from './stored-results';
import { createTaskHandle } from './task-handle';
import { callTask, prepareCall, prepareTask, submitTask } from './task-requests';

/**
 * A client of one tenant. Everything that fails throws an LlmosError: its `code` is a gRPC
 * canonical name, `retryable` says whether another try may help, `details.retryAfterMs` when.
 *
 * Calls are repeated where a request or an answer was lost, always with the same task id, so a
 * task runs once. System calls are answered by the leading kernel; those that change something
 * need the principal `operator` (on one machine, the tenant `default` may too).
 */
export interface LlmosClient extends BuiltInCalls {
  readonly tenant: TenantId;
  /**
   * Runs any function and answers its output; class `interactive` unless the options say otherwise.
   * @example const answer = await os.call('embed', { model: 'mini-encoder', text: 'Hello' });
   */
  call<Name extends string>(
    name: Name,
    input: InputOf<Name>,
    options?: TaskOptions,
  ): Promise<OutputOf<Name>>;
  /**
   * Hands a task in and answers once it is stored: from then on it is not lost, whoever dies.
   * Class `standard` unless the options say otherwise; `timeoutMs` is the life of the task. The
   * signal aborts handing in only; then the task is cancelled.
   * @example const task = await os.submit('classify', { model, text }, { class: 'batch' });
   */
  submit<Name extends string>(
    name: Name,
    input: InputOf<Name>,
    options?: SubmitOptions,
  ): Promise<TaskHandle<OutputOf<Name>>>;
  /** A handle of a task by its id, whoever submitted it; asks nobody. */
  task<Output = unknown>(id: string): TaskHandle<Output>;

  /** The functions with the schemas of their inputs and outputs. */
  functions(options?: WaitOptions): Promise<readonly FunctionDefinition[]>;
  /** The registered models, every version. */
  models(options?: WaitOptions): Promise<readonly ModelRegistration[]>;
  /** The processes: loaded models and built-in programs, and for a while those that ended. */
  ps(options?: WaitOptions): Promise<readonly ProcessRow[]>;
  /** The machines: state, cores, memory, devices. */
  nodes(options?: WaitOptions): Promise<readonly NodeRow[]>;
  /** The leading kernel, its queues and the load of the streams. */
  info(options?: WaitOptions): Promise<SystemInfo>;
  /** What the client's tenant may have at once, and how much of it is left. */
  limits(options?: WaitOptions): Promise<readonly LimitRow[]>;
  /** Keeps `replicas` processes of a model running from now on; 0 stops them. */
  spawn(request: SpawnRequest, options?: WaitOptions): Promise<SpawnRequest>;
  /** Ends one process; its tasks run elsewhere. */
  kill(pid: string, options?: WaitOptions): Promise<{ readonly pid: string }>;

  /**
   * Lifecycle events, oldest first: the last ones that are stored, and with `follow` what happens
   * from then on. They inform; the result of a task is the truth. Leaving the loop ends it.
   * @example for await (const event of os.events({ follow: true, signal })) console.log(event);
   */
  events(options?: EventOptions): AsyncIterableIterator<LifecycleEvent>;
  /** The tenant's tasks that were given up: to list, look at, try again and drop. */
  readonly deadLetters: DeadLetters;
  /** The tenant's stored results: removing old ones, to make room. */
  readonly results: StoredResults;
  /** The streams of the system, as JetStream describes them. */
  streams(options?: WaitOptions): Promise<readonly StreamDescription[]>;

  /**
   * Stores the files of a checked package, those that are missing, and registers it. Default of
   * `timeoutMs`, which is that of registering: 5 minutes.
   */
  addModel(
    options: AddModelOptions,
  ): Promise<{ readonly model: ModelRegistration; readonly added: boolean }>;
  /** Answers what was removed. @param model NAME for every version, or NAME@VERSION. */
  removeModel(model: string, options?: WaitOptions): Promise<readonly string[]>;

  /**
   * Ends the connection within 5 s, after sending what was written. Whoever still waits gets
   * CANCELLED; tasks go on, but for calls and streams that are not `detached`. May be called twice.
   */
  close(): Promise<void>;
}

export function createClient(context: ClientContext, upload: ModelUploadParts): LlmosClient {
  const call = async (name: string, input: unknown, options: TaskOptions = {}): Promise<unknown> =>
    callTask(context, prepareCall(context, name, input, options));
  const stream = (input: unknown, options?: TaskOptions): ReplyStream =>
    streamGeneration(context, input, options ?? {});
  return {
    ...builtInCalls(call, stream),
    ...systemMethods(context),
    tenant: context.tenant,
    call: (name, input, options) => call(name, input, options) as Promise<never>,
    submit: async (name, input, options = {}) => {
      const task = prepareTask(context, name, input, options);
      const headers = options.stream === true ? { [HEADERS.stream]: 'true' } : {};
      const receipt = await submitTask(context, task, { headers });
      const of = { id: task.id, isDuplicate: receipt.duplicate };
      return createTaskHandle(context, of, receipt.sequence);
    },
    task: (id) =>
      createTaskHandle(context, { id: token<TaskId>('task id', id), isDuplicate: false }),
    events: (options = {}) => readEvents(context, options),
    deadLetters: createDeadLetters(context),
    results: createStoredResults(context),
    streams: (options = {}) => describeStreams(context, options),
    addModel: (options) => addModel(context, upload, options),
    close: () => context.link.close(),
  };
}

async function describeStreams(
  context: ClientContext,
  options: WaitOptions,
): Promise<readonly StreamDescription[]> {
  assertOpen(context);
  const { signal, timeoutMs: waitMs } = checkWait(options, context.timeoutMs);
  const names = Object.values(STREAMS);
  const [noted, streams] = await Promise.all([
    readNoted(context, { signal, waitMs }),
    Promise.all(names.map((name) => streamState(context, name, { signal, waitMs }))),
  ]);
  return streams.map((stream) => {
    const notedSequence = noted.get(stream.name);
    return notedSequence === undefined ? stream : { ...stream, notedSequence };
  });
}

/** Empty where it can't be read: that says nothing about the streams. */
async function readNoted(context: ClientContext, limit: ReadLimit): Promise<StoreSequences> {
  const row = { stream: LEADER_STREAM, subject: SEQUENCES_SUBJECT };
  const outcome = await context.stored.readLast({ ...row, ...limit });
  return outcome.kind === 'found' ? parseStoreSequences(outcome.message.body) : new Map();
}

type SystemMethods = Pick<
  LlmosClient,
  'functions' | 'models' | 'ps' | 'nodes' | 'info' | 'limits' | 'spawn' | 'kill' | 'removeModel'
>;

function systemMethods(context: ClientContext): SystemMethods {
  const all =
    <Call extends 'functions' | 'models' | 'ps' | 'nodes'>(
      call: Call,
      field: ListOf<Call>['field'],
    ) =>
    (options?: WaitOptions) =>
      listAll(context, { call, field }, options);
  return {
    functions: all('functions', 'functions'),
    models: all('models', 'models'),
    ps: all('ps', 'processes'),
    nodes: all('nodes', 'nodes'),
    info: (options) => systemCall(context, 'info', {}, options),
    limits: async (options) => {
      // They are the tenant's, in whosever name other system calls are made.
      const own = { ...context, principal: context.tenant };
      return (await systemCall(own, 'limits', {}, options)).limits;
    },
    spawn: (request, options) => systemCall(context, 'spawn', request, options),
    kill: (pid, options) => systemCall(context, 'kill', { pid }, options),
    removeModel: (model, options) =>
      listAll(context, { call: 'model-remove', field: 'removed', request: { model } }, options),
  };
}

function streamGeneration(
  context: ClientContext,
  input: unknown,
  options: TaskOptions,
): ReplyStream {
  assertOptions(options);
  const timeoutMs = options.timeoutMs ?? SDK_LIMITS.streamTimeoutMs;
  const task = prepareTask(context, 'generate', input, { class: 'interactive', ...options });
  const headers = { [HEADERS.stream]: 'true' };
  return openReplyStream(context, {
    task: task.id,
    untilMs: context.clock.nowMs() + timeoutMs,
    signal: options.signal,
    source: { start: () => submitTask(context, task, { headers, timeoutMs, isDetached: false }) },
  });
}

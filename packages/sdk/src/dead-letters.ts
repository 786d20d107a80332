/** Dead letters: tasks of the tenant that were given up, with what to try again. */
import type { FunctionName, TaskId } from '@llmos/base';
import {
  HEADERS,
  LlmosError,
  PROTOBUF_CONTENT_TYPE,
  STREAMS,
  decodeJson,
  isTaskClass,
  parseTenantFunction,
  patterns,
} from '@llmos/base';
import type { TaskOptions, WaitOptions } from './call-options';
import { assertOptions, checkTaskOptions, checkWait, token } from './call-options';
import type { ClientContext } from './client-context';
import { assertOpen } from './client-context';
import { unpackEmbedInput } from './functions/packed-embed';
import { SDK_LIMITS } from './limits';
import type { StoredMessage } from './ports/stored-messages';
import { walkStored } from './stored-walk';
import type { TaskHandle } from './task-handle';
import { createTaskHandle } from './task-handle';
import { submitTask } from './task-requests';

export interface DeadLetter {
  readonly sequence: number;
  /** Of the task that was given up. */
  readonly id: TaskId;
  readonly function: string;
  readonly class: string;
  /** When it was given up, in milliseconds since 1970. */
  readonly wallMs: number;
  /** Such as `attempts-exhausted`. */
  readonly reason: string;
  readonly attempts: number;
  /** `CODE: message`. */
  readonly lastError: string;
  readonly history: readonly unknown[];
  /** NAME or NAME@VERSION, where a header named it. */
  readonly model?: string;
  /** The input of the task; undefined where it is not JSON. */
  readonly input: unknown;
}

export interface DeadLetters {
  /** Oldest first, at most the 10,000 oldest that are stored. */
  list(options?: WaitOptions): Promise<readonly DeadLetter[]>;
  /** @param id of the task. Throws NOT_FOUND. */
  get(id: string, options?: WaitOptions): Promise<DeadLetter>;
  /**
   * Submits the same input as a new task whose parent is the dead one; options override what it
   * had. The dead letter stays until it is dropped.
   */
  retry(id: string, options?: TaskOptions): Promise<TaskHandle>;
  /** Removes the dead letter. Throws NOT_FOUND. */
  drop(id: string, options?: WaitOptions): Promise<void>;
}

export function createDeadLetters(context: ClientContext): DeadLetters {
  return {
    list: async (options = {}) => {
      const letters: DeadLetter[] = [];
      const messages = walk(context, options);
      for await (const message of messages) letters.push(readLetter(message));
      return letters;
    },
    get: async (id, options = {}) => readLetter(await find(context, id, options)),
    retry: async (id, options = {}) => {
      assertOptions(options);
      // Its `timeoutMs` is the life of the task, not of the search.
      const { signal } = options;
      const search = signal === undefined ? {} : { signal };
      return retry(context, await find(context, id, search), options);
    },
    drop: async (id, options = {}) => {
      const { sequence } = await find(context, id, options);
      const outcome = await context.stored.remove({ stream: STREAMS.dead, sequence });
      if (outcome.kind === 'removed') return;
      if (outcome.kind === 'absent') throw notFound(id);
      throw new LlmosError('UNAVAILABLE', `dropping dead letter ${id}: ${outcome.reason}`);
    },
  };
}

async function* walk(
  context: ClientContext,
  options: WaitOptions,
): AsyncGenerator<StoredMessage, void, undefined> {
  assertOpen(context);
  const { timeoutMs, signal } = checkWait(options, context.timeoutMs);
  let count = 0;
  for await (const message of walkStored(context, {
    what: 'reading dead letters',
    stream: STREAMS.dead,
    subject: patterns.deadOf(context.tenant),
    fromSequence: 1,
    follows: false,
    signal,
    untilMs: context.clock.nowMs() + timeoutMs,
  })) {
    yield message;
    count += 1;
    if (count >= SDK_LIMITS.maxDeadLetters) return;
  }
}

/** The latest of its id: an id may come again once its result is no longer kept. */
async function find(
  context: ClientContext,
  id: string,
  options: WaitOptions,
): Promise<StoredMessage> {
  const task = token<TaskId>('task id', id);
  let found: StoredMessage | undefined;
  for await (const message of walk(context, options)) {
    if (message.header(HEADERS.id) === task) found = message;
  }
  if (found === undefined) throw notFound(id);
  return found;
}

function notFound(id: string): LlmosError {
  return new LlmosError('NOT_FOUND', `no dead letter of task ${id}`);
}

function readLetter(message: StoredMessage): DeadLetter {
  const model = message.header(HEADERS.model);
  return {
    sequence: message.sequence,
    id: (message.header(HEADERS.id) ?? '') as TaskId,
    function: functionOf(message),
    class: message.header(HEADERS.class) ?? '',
    wallMs: message.storedWallMs,
    reason: message.header(HEADERS.reason) ?? '',
    attempts: Number(message.header(HEADERS.attempts) ?? 0),
    lastError: message.header(HEADERS.lastError) ?? '',
    history: historyOf(message.header(HEADERS.history)),
    ...(model === undefined ? {} : { model }),
    input: inputOf(message),
  };
}

function functionOf(message: StoredMessage): string {
  return parseTenantFunction('dead', message.subject)?.function ?? '';
}

function historyOf(text: string | undefined): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(text ?? '[]');
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

function inputOf(message: StoredMessage): unknown {
  if (message.contentType === PROTOBUF_CONTENT_TYPE) {
    return functionOf(message) === 'embed' ? unpackEmbedInput(message.body) : undefined;
  }
  try {
    return decodeJson(message.body);
  } catch {
    return undefined;
  }
}

/** Headers of the dead task that its successor has too; its deadline is over. */
const KEPT_HEADERS = [
  HEADERS.model,
  HEADERS.priority,
  HEADERS.timeoutMs,
  HEADERS.key,
  HEADERS.maxAttempts,
  HEADERS.stream,
  HEADERS.contentType,
] as const;

async function retry(
  context: ClientContext,
  letter: StoredMessage,
  options: TaskOptions,
): Promise<TaskHandle> {
  const dead = letter.header(HEADERS.id) ?? '';
  const taskClass = letter.header(HEADERS.class);
  const checked = checkTaskOptions(
    { parent: dead, ...(isTaskClass(taskClass) ? { class: taskClass } : {}), ...options },
    context.newTaskId,
  );
  const kept: Record<string, string> = {};
  for (const name of KEPT_HEADERS) {
    const value = letter.header(name);
    if (value !== undefined) kept[name] = value;
  }
  const task = {
    function: functionOf(letter) as FunctionName,
    id: checked.id,
    body: letter.body,
    headers: { ...kept, ...checked.headers },
    options: checked,
  };
  const receipt = await submitTask(context, task);
  return createTaskHandle(context, { id: task.id, isDuplicate: receipt.duplicate });
}

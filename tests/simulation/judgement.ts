/**
 * What must be true of a simulated system's stores: judged with every message that they take or
 * lose, and once more in the end, when all work should have ended.
 */
import type { StoredChunk, TaskId, TenantId } from '@llmos/base';
import {
  HEADERS,
  STREAMS,
  parseChunk,
  parseResult,
  parseResultSubject,
  parseTenantTask,
  resultPlaces,
  taskIdOfSequence,
} from '@llmos/base';
import { resultOf, textOf, tokenOf, tokensOf } from './node/executor';
import type { Scenario } from './scenario';
import type { StoredMessage } from './server/memory-stream';
import type { PublishedTask } from './workload';
import { nameOf, type World } from './world';

interface Named {
  readonly tenant: TenantId;
  readonly id: TaskId;
}

/** The stored result of a task: none where there is only the refusal of a limit. */
export function resultIn(world: World, { tenant, id }: Named): StoredMessage | undefined {
  for (const { stream, subject } of resultPlaces({ tenant, task: id })) {
    const message = world.server.stream(stream).last(subject);
    if (message !== undefined && !isRefusal(message)) return message;
  }
  return undefined;
}

export function hasResult(world: World, of: Named): boolean {
  return resultIn(world, of) !== undefined;
}

/**
 * Its own: the result of its id where that is this task's, or the one under its number, or under
 * that of the same task's first message, whose result a repeated one shares.
 */
function hasOwnResult(world: World, task: PublishedTask): boolean {
  const stored = resultIn(world, task);
  // A cancel names an id, and ends whatever comes in under it, and all that comes of it.
  const isAny = world.cancelled.size > 0;
  if (stored !== undefined && (isAny || isOf(stored, task))) return true;
  return world.tasks
    .filter((each) => nameOf(each) === nameOf(task) && each.identity === task.identity)
    .filter(
      (each) => each === task || (task.identity !== undefined && each.sequence < task.sequence),
    )
    .some((each) => hasResult(world, { tenant: each.tenant, id: taskIdOfSequence(each.sequence) }));
}

/** One that says nothing of its task was stored before the task came in. */
function isOf({ header }: StoredMessage, task: PublishedTask): boolean {
  const identity = header?.has(HEADERS.digest) === true ? header.get(HEADERS.digest) : undefined;
  return identity === undefined || task.identity === undefined || identity === task.identity;
}

function isRefusal({ header }: StoredMessage): boolean {
  return header?.has(HEADERS.refused) === true;
}

/** Where the stored chunks of one generation have come to. */
interface ChunkLine {
  nextIndex: number;
  isFinished: boolean;
}

export class Judgement {
  private readonly chunkLines = new Map<string, ChunkLine>();

  /** @param onAcknowledged of a task that left its stream, by its name and the epoch that did it. */
  constructor(
    private readonly world: World,
    private readonly onAcknowledged: (name: string, epoch: number) => void,
  ) {
    const { server } = world;
    server.onStored = (stream, message, previous) => this.judgeStored(stream, message, previous);
    server.onDeleted = (stream, sequence) => {
      if (stream === STREAMS.tasks) this.judgeGone(sequence, world.consumerEpoch);
    };
  }

  /** A task leaves its stream: its result must be there. */
  judgeGone(sequence: number, epoch: number): void {
    const { world } = this;
    const task = world.bySequence(sequence);
    if (task === undefined || task.isAcknowledged) return;
    const name = nameOf(task);
    this.onAcknowledged(name, epoch);
    const isTwinLeft = world.tasks.some(
      (other) =>
        other !== task &&
        nameOf(other) === name &&
        other.identity === task.identity &&
        !other.isAcknowledged,
    );
    if (!hasOwnResult(world, task) && !isTwinLeft) {
      world.report(`K6: ${name} was acknowledged without a result`);
    }
    task.isAcknowledged = true;
  }

  private judgeStored(stream: string, message: StoredMessage, previous?: StoredMessage): void {
    this.world.log(() => `${stream} ${message.seq} ${message.subject}`);
    switch (stream) {
      case STREAMS.results:
      case STREAMS.answers:
        return this.judgeResult(message, previous);
      case STREAMS.streams:
        return this.judgeChunk(message);
      case STREAMS.dead: {
        const tenant = message.subject.split('.')[3] ?? '';
        const id = message.header?.get(HEADERS.id) ?? '';
        this.world.deadLetters.add(nameOf({ tenant, id }));
        return;
      }
      default:
        return;
    }
  }

  private judgeResult(message: StoredMessage, previous?: StoredMessage): void {
    const of = parseResultSubject(message.subject);
    if (of === undefined) return this.world.report(`${message.subject} is no place of a result`);
    const name = nameOf({ tenant: of.tenant, id: of.task });
    if (previous !== undefined && !isRefusal(previous)) {
      this.world.report(`${name} has two results`);
    }
    const isByProcess = message.header?.has(HEADERS.attempt) === true;
    if (!isByProcess) return;
    const task = this.world.tasks.find((each) => nameOf(each) === name && isOf(message, each));
    if (task === undefined) return this.world.report(`${name} has a result and was never stored`);
    this.judgeOrder(task);
    const result = parseResult(message.data);
    const isWrong = result.ok && !Buffer.from(resultOf(task)).equals(message.data);
    if (isWrong) this.world.report(`${name} has a result that none of its attempts made`);
  }

  /** Tasks of the same key that should have ended before this one. */
  private judgeOrder(task: PublishedTask): void {
    const { world } = this;
    const key = task.headers.get(HEADERS.key);
    if (key === undefined) return;
    const early = world.tasks
      .filter((other) => other.sequence < task.sequence && other.headers.get(HEADERS.key) === key)
      .filter((other) => other.class === task.class && other.tenant === task.tenant)
      .filter((other) => isReadable(other) && !this.isLate(other) && !hasOwnResult(world, other));
    if (early.length === 0) return;
    const names = early.map(nameOf).join(', ');
    world.report(`${nameOf(task)} has a result before ${names} of its key`);
  }

  /** Its id belongs to another task: it ends at once, in no line. */
  private isLate(task: PublishedTask): boolean {
    const name = nameOf(task);
    return this.world.tasks.some(
      (other) => other !== task && nameOf(other) === name && other.identity !== task.identity,
    );
  }

  /** Each chunk goes on where the last one of its stream ended, with the tokens of the task. */
  private judgeChunk(message: StoredMessage): void {
    const of = parseTenantTask('stream', message.subject);
    const chunk: StoredChunk['chunk'] = parseChunk(message.data);
    if (of === undefined || chunk === undefined) {
      return this.world.report(`${message.subject} has a chunk that can't be read`);
    }
    const name = nameOf({ tenant: of.tenant, id: of.task });
    const line = this.chunkLines.get(name) ?? { nextIndex: 0, isFinished: false };
    this.chunkLines.set(name, line);
    const { index, tokens, text } = chunk;
    if (index !== line.nextIndex || line.isFinished) {
      this.world.report(`${name} has a chunk at ${index} where ${line.nextIndex} comes next`);
    }
    const isRight =
      tokens.every((token, offset) => token === tokenOf(name, index + offset)) &&
      text === tokens.map(textOf).join('');
    if (!isRight) this.world.report(`${name} has a chunk with other tokens than its own`);
    line.nextIndex = index + tokens.length;
    line.isFinished ||= chunk.finishReason !== undefined;
  }

  /** What must be true in the end. */
  judgeEnd(scenario: Scenario, statusOf: (task: PublishedTask) => string): void {
    const { world } = this;
    for (const task of world.tasks) {
      const name = nameOf(task);
      if (!hasOwnResult(world, task)) world.report(`${name} has no result`);
      if (!task.isAcknowledged) {
        world.report(`${name} (${task.sequence}) is not acknowledged: ${statusOf(task)}`);
      }
      this.judgeStream(task);
    }
    for (const name of world.deadLetters) {
      const [tenant = '', id = ''] = name.split('/');
      if (!hasResult(world, { tenant: tenant as TenantId, id: id as TaskId })) {
        world.report(`dead letter ${name} has no result`);
      }
    }
    if (isCalm(scenario)) this.judgeCalm();
    if (isIntakeInOrder(scenario) && world.cancelled.size === 0) this.judgeClashes();
  }

  /** A generation that succeeded has all its tokens in its stream. */
  private judgeStream(task: PublishedTask): void {
    const stored = resultIn(this.world, task);
    const isStreamed = task.headers.has(HEADERS.stream) && task.tokenCount > 0;
    if (!isStreamed || stored === undefined || !parseResult(stored.data).ok) return;
    const line = this.chunkLines.get(nameOf(task));
    if (line?.isFinished !== true || line.nextIndex !== tokensOf(task).length) {
      this.world.report(`${nameOf(task)} succeeded and its stream is not whole`);
    }
  }

  /** An id belongs to the first task in the stream that has it. */
  private judgeClashes(): void {
    const firsts = new Map<string, PublishedTask>();
    for (const task of this.world.tasks) {
      const name = nameOf(task);
      const first = firsts.get(name);
      if (first === undefined) firsts.set(name, task);
      const stored = resultIn(this.world, task);
      if (first === undefined || stored === undefined || isOf(stored, first)) continue;
      this.world.report(`${name} is the result of a later task than the first of that id`);
    }
  }

  /** Lost messages alone fail no task. */
  private judgeCalm(): void {
    for (const task of this.world.tasks) {
      const stored = resultIn(this.world, task);
      if (stored !== undefined && !isOf(stored, task)) continue;
      const isFailed = stored === undefined || !parseResult(stored.data).ok;
      if (task.script.kind === 'succeeds' && isFailed) {
        this.world.report(`${nameOf(task)} failed although nothing but messages was lost`);
      }
    }
  }
}

/** One that can't be read belongs to no key. */
function isReadable(task: PublishedTask): boolean {
  return task.headers.get(HEADERS.priority) !== 'many';
}

/** Nothing is taken in ahead of what was stored before it, or again after it. */
function isIntakeInOrder({ callRate, faults }: Scenario): boolean {
  return callRate + faults.intakeBreaks + faults.takeovers === 0;
}

function isCalm(scenario: Scenario): boolean {
  const { faults, cancelRate, deadlineRate, poisonRate } = scenario;
  const deaths =
    faults.processDeaths + faults.nodeDeaths + faults.nodePauses + faults.kills + faults.removals;
  const loads = faults.failedLoadRate + faults.hopelessLoadRate + faults.sickNodeRate;
  return deaths + loads + faults.kernelPauses + cancelRate + deadlineRate + poisonRate === 0;
}

import type {
  AttemptCost,
  FunctionName,
  GenerateChunk,
  TaskClass,
  TaskId,
  TenantId,
} from '@llmos/base';
import { NO_COST, systemClock } from '@llmos/base';
import type { Attempt } from '@llmos/process';
import type { GenerationEvents } from '../actors/thread-client';
import type { ThreadRequest } from '../actors/thread-protocol';
import type { GenerateThread } from './generate-dispatcher';
import { GenerateDispatcher } from './generate-dispatcher';
import { HostMeter } from './host-meter';
import { driveRunner } from '../testing/mailbox-driver';

class FakeThread implements GenerateThread {
  readonly joined: ThreadRequest[] = [];
  readonly cancelled: number[] = [];
  readonly preempted: number[] = [];
  events: GenerationEvents | undefined;
  join(requests: readonly ThreadRequest[], events: GenerationEvents): void {
    this.joined.push(...requests);
    this.events = events;
  }
  cancel(requestId: number): void {
    this.cancelled.push(requestId);
  }
  preempt(requestId: number): void {
    this.preempted.push(requestId);
  }
  answer(requestId: number): void {
    this.events?.answered({ requestId, result: Buffer.from('done') });
  }
  get bodies(): string[] {
    return this.joined.map((request) => Buffer.from(request.body).toString());
  }
}

function attemptOf(task: string, taskClass: TaskClass = 'standard', functionName = 'generate') {
  const abort = new AbortController();
  const preemption = new AbortController();
  const chunks: GenerateChunk[] = [];
  const costs: AttemptCost[] = [];
  const attempt: Attempt = {
    spec: {
      tenant: 'acme' as TenantId,
      task: task as TaskId,
      attempt: 1,
      function: functionName as FunctionName,
      class: taskClass,
      priority: 5,
      sequence: 1,
      deadlineAtMs: Infinity,
      stream: false,
      format: 'json',
      root: task as TaskId,
    },
    body: Buffer.from(task),
    signal: abort.signal,
    preemption: preemption.signal,
    resumeTokens: [],
    maxResultBytes: 1e6,
    tellCost: (soFar) => costs.push(soFar),
    emitChunk: (chunk) => chunks.push(chunk),
  };
  return { attempt, abort, preemption, chunks, costs };
}

function setUp(maxRows = 2) {
  const thread = new FakeThread();
  const meter = new HostMeter(systemClock, { generates: true });
  const dispatcher = new GenerateDispatcher({ thread, maxRows, meter });
  return { thread, meter, dispatcher: driveRunner(dispatcher) };
}

describe('generate dispatcher', () => {
  it('times the first token of what does not stream, as long as that is open', async () => {
    const { thread, meter, dispatcher } = setUp();
    const of = attemptOf('a');
    const answer = dispatcher.handle({
      ...of.attempt,
      spec: { ...of.attempt.spec, storedAtMs: 0 },
    });
    const counted = () =>
      meter.counts().firstTokenSeconds?.counts.reduce((sum, count) => sum + count, 0);
    expect(counted()).toBe(0);
    thread.events?.began(1);
    thread.answer(1);
    await answer;
    thread.events?.began(1);
    expect(counted()).toBe(1);
  });

  it('passes on what a generation costs, while it runs and at its end', async () => {
    const { thread, dispatcher } = setUp();
    const cost = (deviceMs: number) => ({ ...NO_COST, deviceMs });
    const [a, b] = [attemptOf('a'), attemptOf('b')];
    const answers = [dispatcher.handle(a.attempt), dispatcher.handle(b.attempt)];
    thread.events?.cost(1, cost(5));
    thread.events?.answered({ requestId: 1, result: Buffer.from('done'), cost: cost(6) });
    thread.events?.preempted({ requestId: 2, tokens: [], text: '', cost: cost(7) });
    await Promise.all(answers);
    thread.events?.cost(1, cost(9));
    expect([a.costs, b.costs]).toEqual([[cost(5), cost(6)], [cost(7)]]);
  });

  it('hands requests over at once, with their urgency, and their chunks and answers back', async () => {
    const { thread, dispatcher } = setUp();
    const of = attemptOf('a', 'interactive');
    const answer = dispatcher.handle(of.attempt);
    void dispatcher.handle(attemptOf('b').attempt);
    expect(thread.bodies).toEqual(['a', 'b']);
    expect(thread.joined[0]).toMatchObject({ class: 'interactive', priority: 5, sequence: 1 });
    thread.events?.chunk(1, { index: 0, text: 'x', tokens: [1] });
    thread.answer(1);
    expect(await answer).toMatchObject({ kind: 'answered' });
    expect(of.chunks).toEqual([{ index: 0, text: 'x', tokens: [1] }]);
  });

  it('takes no more than there are rows, the most urgent first, and leaves the rest where it waits', () => {
    const { thread, dispatcher } = setUp(1);
    for (const [task, taskClass] of [
      ['a', 'interactive'],
      ['bulk', 'batch'],
      ['urgent', 'interactive'],
    ] as const) {
      void dispatcher.handle(attemptOf(task, taskClass).attempt);
    }
    expect([thread.bodies, dispatcher.mailbox.waitingCount]).toEqual([['a'], 2]);
    thread.answer(1);
    expect(thread.bodies).toEqual(['a', 'urgent']);
  });

  it('takes one for the row of a lower class, and no further one of that class before a row is free', () => {
    const { thread, dispatcher } = setUp(2);
    const give = (task: string, taskClass: TaskClass) =>
      void dispatcher.handle(attemptOf(task, taskClass).attempt);
    for (const task of ['bulk', 'more bulk', 'and more']) give(task, 'batch');
    give('urgent', 'interactive');
    give('usual', 'standard');
    give('usual too', 'standard');
    expect(thread.bodies).toEqual(['bulk', 'more bulk', 'urgent', 'usual']);
    thread.answer(3);
    expect(thread.bodies.slice(4)).toEqual(['usual too']);
    // Four have begun and two rows are there: what was switched out goes on first.
    thread.answer(4);
    thread.answer(5);
    expect(thread.bodies.slice(5)).toEqual([]);
    thread.answer(1);
    expect(thread.bodies.slice(5)).toEqual(['and more']);
  });

  it('lets a higher priority wait behind none that was switched out for a higher class', () => {
    const { thread, dispatcher } = setUp(2);
    const give = (task: string, taskClass: TaskClass, priority: number) => {
      const { attempt } = attemptOf(task, taskClass);
      void dispatcher.handle({ ...attempt, spec: { ...attempt.spec, priority } });
    };
    for (const task of ['a', 'b']) give(task, 'standard', 0);
    for (const task of ['c', 'd']) give(task, 'interactive', 5);
    give('usual', 'standard', 0);
    give('first', 'standard', 9);
    expect(thread.bodies).toEqual(['a', 'b', 'c', 'd']);
    thread.answer(3);
    expect(thread.bodies.slice(4)).toEqual(['first']);
  });

  it('takes what needs no row at once, beside any number of generations', () => {
    const { thread, dispatcher } = setUp(1);
    for (const task of ['a', 'b']) void dispatcher.handle(attemptOf(task).attempt);
    void dispatcher.handle(attemptOf('tensors', 'batch', 'infer').attempt);
    expect(thread.bodies).toEqual(['a', 'tensors']);
  });

  it('gives what waits back once its thread is lost, and blames what ran', async () => {
    const thread = new FakeThread();
    const meter = new HostMeter(systemClock, { generates: true });
    const dispatcher = new GenerateDispatcher({ thread, maxRows: 1, meter });
    const { handle } = driveRunner(dispatcher);
    const [runs, waits] = ['runs', 'waits'].map((task) => handle(attemptOf(task).attempt));
    dispatcher.loseThread(thread, 1_000);
    expect(await runs).toMatchObject({ kind: 'failed', error: { retryable: false } });
    expect(await waits).toMatchObject({ kind: 'preempted' });
    expect(await handle(attemptOf('late').attempt)).toMatchObject({ kind: 'preempted' });
  });

  it('cancels what runs and answers what waits', async () => {
    const { thread, dispatcher } = setUp(1);
    const running = attemptOf('running');
    const waiting = attemptOf('waiting');
    void dispatcher.handle(running.attempt);
    const answer = dispatcher.handle(waiting.attempt);
    running.abort.abort('CANCELLED');
    waiting.abort.abort('CANCELLED');
    expect(thread.cancelled).toEqual([1]);
    expect(await answer).toMatchObject({ kind: 'failed', error: { code: 'CANCELLED' } });
    thread.answer(1);
    expect(thread.bodies).toEqual(['running']);
  });

  it('gives a running generation back with its tokens, and a waiting one at once', async () => {
    const { thread, dispatcher } = setUp(1);
    const running = attemptOf('running');
    const waiting = attemptOf('waiting');
    const given = dispatcher.handle(running.attempt);
    const unstarted = dispatcher.handle(waiting.attempt);
    running.preemption.abort();
    waiting.preemption.abort();
    expect(thread.preempted).toEqual([1]);
    expect(await unstarted).toEqual({ kind: 'preempted', state: { tokens: [], text: '' } });
    thread.events?.preempted({ requestId: 1, tokens: [4, 2], text: 'so far' });
    expect(await given).toEqual({ kind: 'preempted', state: { tokens: [4, 2], text: 'so far' } });
  });

  it('lets other functions than generations end, though they are asked back', () => {
    const { thread, dispatcher } = setUp();
    const other = attemptOf('other', 'standard', 'embed');
    void dispatcher.handle(other.attempt);
    other.preemption.abort();
    expect([thread.bodies, thread.preempted]).toEqual([['other'], []]);
  });
});

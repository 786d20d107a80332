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
import type { StepEvents } from '../actors/thread-client';
import type { ThreadRequest } from '../actors/thread-protocol';
import { systemAlarm } from '../adapters/os/system-alarm';
import type { StepThread } from './batch-dispatcher';
import { BatchDispatcher } from './batch-dispatcher';
import { HostMeter } from './host-meter';
import { driveRunner } from '../testing/mailbox-driver';

class FakeThread implements StepThread {
  readonly steps: (readonly ThreadRequest[])[] = [];
  readonly joined: (readonly ThreadRequest[])[] = [];
  readonly cancelled: number[] = [];
  private current: { events: StepEvents; done: () => void } | undefined;
  get isIdle(): boolean {
    return this.current === undefined;
  }
  run(requests: readonly ThreadRequest[], events: StepEvents): Promise<void> {
    this.steps.push(requests);
    return new Promise((done) => (this.current = { events, done }));
  }
  join(requests: readonly ThreadRequest[]): void {
    if (this.isIdle) throw new Error('nothing runs that could be interrupted');
    this.joined.push(requests);
  }
  /** All is answered; that it is idle is still on its way. */
  answerOnly(): void {
    for (const { requestId } of this.steps.at(-1) ?? []) {
      this.current?.events.answered({ requestId, result: Buffer.from('done') });
    }
  }
  /** Those that joined last are answered; the step goes on. */
  finishJoined(): void {
    for (const { requestId } of this.joined.at(-1) ?? []) {
      this.current?.events.answered({ requestId, result: Buffer.from('urgent') });
    }
  }
  cancel(requestId: number): void {
    this.cancelled.push(requestId);
  }
  cost(soFar: AttemptCost): void {
    this.current?.events.cost(this.steps.at(-1)?.[0]?.requestId ?? 0, soFar);
  }
  /** The step is over, and each of its requests had this cost. */
  finishAt(cost: AttemptCost): void {
    const { current } = this;
    for (const { requestId } of this.steps.at(-1) ?? []) {
      current?.events.answered({ requestId, result: Buffer.from('done'), cost });
    }
    this.current = undefined;
    current?.done();
  }
  chunk(chunk: GenerateChunk): void {
    this.current?.events.chunk(this.steps.at(-1)?.[0]?.requestId ?? 0, chunk);
  }
  finish(): void {
    const { current } = this;
    this.current = undefined;
    for (const { requestId } of this.steps.at(-1) ?? []) {
      current?.events.answered({ requestId, result: Buffer.from('done') });
    }
    current?.done();
  }
}

interface Of {
  readonly taskClass?: TaskClass;
  readonly functionName?: string;
  readonly tenant?: string;
  readonly bytes?: number;
}

function attemptOf(task: string, taskClass: TaskClass = 'interactive', functionName = 'embed') {
  return attemptWith(task, { taskClass, functionName });
}

function attemptWith(task: string, of: Of) {
  const { taskClass = 'interactive', functionName = 'embed', tenant = 'acme', bytes = 0 } = of;
  const abort = new AbortController();
  const chunks: GenerateChunk[] = [];
  const costs: AttemptCost[] = [];
  const attempt: Attempt = {
    spec: {
      tenant: tenant as TenantId,
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
    body: Buffer.from(task.padEnd(bytes)),
    signal: abort.signal,
    preemption: new AbortController().signal,
    resumeTokens: [],
    maxResultBytes: 1e6,
    tellCost: (soFar) => costs.push(soFar),
    emitChunk: (chunk) => chunks.push(chunk),
  };
  return { attempt, abort, chunks, costs };
}

function setUp(threadCount = 1, maxRequests = 8, quickThread?: FakeThread) {
  const threads = Array.from({ length: threadCount }, () => new FakeThread());
  const meter = new HostMeter(systemClock);
  const dispatcher = new BatchDispatcher({
    threads,
    ...(quickThread === undefined ? {} : { quickThread }),
    meter,
    bounds: { maxRequests, maxBytes: 1e6 },
    clock: systemClock,
    alarm: systemAlarm,
  });
  const [thread] = threads;
  if (thread === undefined) throw new Error('no thread');
  const { handle } = driveRunner(dispatcher);
  const loseThread: typeof dispatcher.loseThread = (lost, heapBytes) =>
    dispatcher.loseThread(lost, heapBytes);
  return { dispatcher: { handle, loseThread }, meter, threads, thread };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));
const bodies = (step: readonly ThreadRequest[] | undefined) =>
  (step ?? []).map((request) => Buffer.from(request.body).toString().trim());

/** Bulk waits a moment for mates. */
async function untilStepsOf(thread: FakeThread | undefined, count: number): Promise<void> {
  const limitMs = performance.now() + 10_000;
  while ((thread?.steps.length ?? 0) < count) {
    if (performance.now() > limitMs) throw new Error(`no step ${count}`);
    await turn();
  }
}

describe('batch dispatcher', () => {
  it('runs what arrives together in one step', async () => {
    const { dispatcher, meter, thread } = setUp();
    const answers = ['a', 'b', 'c'].map((task) => dispatcher.handle(attemptOf(task).attempt));
    await turn();
    expect(bodies(thread.steps[0])).toEqual(['a', 'b', 'c']);
    thread.finish();
    expect(await Promise.all(answers)).toHaveLength(3);
    expect(meter.counts().stepRequests).toMatchObject({ sum: 3, counts: [0, 0, 1, 0, 0, 0, 0, 0] });
  });

  it('passes on what a request costs, while its step runs and at its end', async () => {
    const { dispatcher, thread } = setUp();
    const [a, b] = [attemptOf('a'), attemptOf('b')];
    const answers = [dispatcher.handle(a.attempt), dispatcher.handle(b.attempt)];
    await turn();
    const cost = (deviceMs: number) => ({ ...NO_COST, deviceMs });
    thread.cost(cost(1));
    thread.finishAt(cost(2));
    await Promise.all(answers);
    expect([a.costs, b.costs]).toEqual([[cost(1), cost(2)], [cost(2)]]);
  });

  it('lets an urgent request overtake bulk work that waits', async () => {
    const { dispatcher, thread } = setUp(1, 1);
    void dispatcher.handle(attemptOf('first', 'interactive').attempt);
    await turn();
    void dispatcher.handle(attemptOf('bulk', 'batch').attempt);
    void dispatcher.handle(attemptOf('urgent', 'interactive').attempt);
    thread.finish();
    await turn();
    expect(bodies(thread.steps[1])).toEqual(['urgent']);
  });

  it('uses every idle thread', async () => {
    const { dispatcher, threads } = setUp(2, 1);
    void dispatcher.handle(attemptOf('a').attempt);
    void dispatcher.handle(attemptOf('b').attempt);
    await turn();
    expect(threads.map((thread) => thread.steps.length)).toEqual([1, 1]);
  });

  it('interrupts bulk that runs for what is more urgent, and gives the next when that is answered', async () => {
    const { dispatcher, thread, meter } = setUp(1, 2);
    void dispatcher.handle(attemptOf('bulk', 'batch').attempt);
    void dispatcher.handle(attemptOf('bulk too', 'batch').attempt);
    await turn();
    const urgent = ['a', 'b', 'c'].map((task) => dispatcher.handle(attemptOf(task).attempt));
    void dispatcher.handle(attemptOf('more bulk', 'batch').attempt);
    await turn();
    expect(thread.joined.map(bodies)).toEqual([['a', 'b']]);
    thread.finishJoined();
    expect(await Promise.all(urgent.slice(0, 2))).toHaveLength(2);
    await turn();
    expect(thread.joined.map(bodies)).toEqual([['a', 'b'], ['c']]);
    thread.finishJoined();
    await urgent[2];
    expect(thread.steps.map(bodies)).toEqual([['bulk', 'bulk too']]);
    thread.finish();
    expect(meter.counts().stepRequests).toMatchObject({ sum: 5 });
  });

  it('interrupts the thread whose work is the least urgent, and none for what is only newer', async () => {
    const { dispatcher, threads } = setUp(2, 1);
    void dispatcher.handle(attemptOf('standard', 'standard').attempt);
    await turn();
    void dispatcher.handle(attemptOf('bulk', 'batch').attempt);
    await turn();
    void dispatcher.handle(attemptOf('same', 'standard').attempt);
    await turn();
    expect(threads.map(({ joined }) => joined.map(bodies))).toEqual([[], [['same']]]);
    void dispatcher.handle(attemptOf('waits', 'standard').attempt);
    await turn();
    expect(threads.map(({ joined }) => joined.length)).toEqual([0, 1]);
    void dispatcher.handle(attemptOf('urgent', 'interactive').attempt);
    await turn();
    void dispatcher.handle(attemptOf('urgent too', 'interactive').attempt);
    await turn();
    expect(
      threads
        .map(({ joined }) => joined.at(-1))
        .map(bodies)
        .sort(),
    ).toEqual(['urgent', 'urgent too'].map((text) => [text]));
  });

  it.each([
    ['standard', 'batch'],
    ['batch', 'standard'],
  ] as const)('lets what is urgent in between bulk, beside %s and %s', async (first, second) => {
    const { dispatcher, threads } = setUp(2, 1);
    for (const [index, taskClass] of [first, second].entries()) {
      void dispatcher.handle(attemptOf(taskClass, taskClass).attempt);
      await untilStepsOf(threads[index], 1);
    }
    void dispatcher.handle(attemptOf('urgent').attempt);
    await turn();
    const joined = threads.flatMap((thread) => thread.joined.map(() => thread.steps.map(bodies)));
    expect(joined).toEqual([[['batch']]]);
  });

  it('keeps a thread from batch work that nothing can interrupt, where there are several', async () => {
    const { dispatcher, threads, thread } = setUp(2, 4);
    const infer = (task: string, taskClass?: TaskClass) => {
      void dispatcher.handle(attemptOf(task, taskClass, 'infer').attempt);
      return turn();
    };
    await infer('bulk', 'batch');
    await untilStepsOf(thread, 1);
    await infer('more bulk', 'batch');
    await infer('urgent');
    const kept = threads.find((each) => each !== thread);
    expect(kept?.steps.map(bodies)).toEqual([['urgent']]);
    kept?.finish();
    // Of bulk that gives way it may run as much as it likes.
    void dispatcher.handle(attemptOf('texts', 'batch').attempt);
    await untilStepsOf(kept, 2);
    expect(kept?.steps.map(bodies)).toEqual([['urgent'], ['texts']]);
    await infer('urgent again');
    expect(kept?.joined.map(bodies)).toEqual([['urgent again']]);
    expect(thread.joined).toEqual([]);
    thread.finish();
    await untilStepsOf(thread, 2);
    expect(thread.steps.map(bodies)).toEqual([['bulk'], ['more bulk']]);
  });

  it('waits for a thread that is about to be idle rather than for a run that nothing interrupts', async () => {
    const { dispatcher, threads, thread } = setUp(2, 4);
    void dispatcher.handle(attemptOf('bulk', 'batch', 'infer').attempt);
    await untilStepsOf(thread, 1);
    void dispatcher.handle(attemptOf('urgent', 'interactive', 'infer').attempt);
    await turn();
    threads[1]?.answerOnly();
    void dispatcher.handle(attemptOf('next', 'interactive', 'infer').attempt);
    await turn();
    expect(thread.joined).toEqual([]);
    threads[1]?.finish();
    await turn();
    expect(threads[1]?.steps.map(bodies)).toEqual([['urgent'], ['next']]);
  });

  it('runs batch work that nothing can interrupt on the only thread', async () => {
    const { dispatcher, thread } = setUp(1, 4);
    void dispatcher.handle(attemptOf('bulk', 'batch', 'infer').attempt);
    await untilStepsOf(thread, 1);
    expect(thread.steps.map(bodies)).toEqual([['bulk']]);
  });

  describe('with a thread for what is quick', () => {
    const LONG = 1_000_000;
    function setUpQuick() {
      const quick = new FakeThread();
      const { dispatcher, threads } = setUp(2, 4, quick);
      const give = (task: string, of: Of = {}) => {
        void dispatcher.handle(attemptWith(task, of).attempt);
        return turn();
      };
      const steps = () => [quick, ...threads].map((thread) => thread.steps.map(bodies));
      return { dispatcher, threads, quick, give, steps };
    }

    it.each(['embed', 'infer'])(
      'runs it beside any number of long %s of its class',
      async (name) => {
        const { give, steps, quick, threads } = setUpQuick();
        const long = { functionName: name, bytes: LONG };
        for (const task of ['one', 'two', 'three']) await give(task, long);
        await give('short');
        expect(steps()).toEqual([[['short']], [['one']], [['two']]]);
        quick.finish();
        await turn();
        expect(steps()).toEqual([[['short']], [['one']], [['two']]]);
        threads[0]?.finish();
        await turn();
        expect(steps()).toEqual([[['short']], [['one'], ['three']], [['two']]]);
      },
    );

    it('gives it nothing of batch, however short', async () => {
      const { give, quick, threads } = setUpQuick();
      await give('bulk', { taskClass: 'batch' });
      await untilStepsOf(threads[0], 1);
      expect(quick.steps).toEqual([]);
    });

    it('uses no more threads than usual where all is short', async () => {
      const { give, steps, quick } = setUpQuick();
      for (const task of ['a', 'b', 'c']) await give(task);
      expect(steps()).toEqual([[['a']], [['b']], []]);
      quick.finish();
      await turn();
      expect(steps()).toEqual([[['a'], ['c']], [['b']], []]);
    });

    it('lets it wait for that thread rather than for a run of bulk, but not a crowd of them', async () => {
      const { give, quick, threads } = setUpQuick();
      const bulk = { taskClass: 'batch', bytes: LONG } as const;
      await give('bulk', bulk);
      await give('more bulk', bulk);
      await untilStepsOf(threads[1], 1);
      await give('a');
      for (let count = 0; count < 8; count += 1) await give('b');
      expect(threads.flatMap((thread) => thread.joined)).toEqual([]);
      await give('b');
      expect(threads.flatMap((thread) => thread.joined.map(bodies))).toEqual([
        ['b', 'b', 'b', 'b'],
      ]);
      expect(quick.steps.map(bodies)).toEqual([['a']]);
    });

    it('gives what waits back once that thread is lost, too', async () => {
      const { dispatcher, threads, quick } = setUpQuick();
      for (const thread of threads) dispatcher.loseThread(thread, 1_000);
      expect(dispatcher.handle(attemptWith('short', {}).attempt)).toBeInstanceOf(Promise);
      dispatcher.loseThread(quick, 1_000);
      expect(await dispatcher.handle(attemptOf('late').attempt)).toMatchObject({
        kind: 'preempted',
      });
    });
  });

  it('lets a tenant with nothing here in between the long runs of another one, once', async () => {
    const { dispatcher, thread } = setUp(1, 1);
    const long = (task: string, tenant: string) => {
      void dispatcher.handle(attemptWith(task, { tenant, bytes: 1_000_000 }).attempt);
      return turn();
    };
    for (const task of ['flood', 'more', 'and more']) await long(task, 'acme');
    expect(thread.joined).toEqual([]);
    await long('guest', 'other');
    await long('guest too', 'other');
    expect(thread.joined.map(bodies)).toEqual([['guest']]);
    thread.finishJoined();
    await turn();
    expect(thread.joined.map(bodies)).toEqual([['guest'], ['guest too']]);
  });

  it('takes the tenants in turns among what waits', async () => {
    const { dispatcher, thread } = setUp(1, 1);
    for (const task of ['a1', 'a2', 'a3']) void dispatcher.handle(attemptOf(task).attempt);
    await turn();
    for (const task of ['b1', 'b2']) {
      void dispatcher.handle(attemptWith(task, { tenant: 'other' }).attempt);
    }
    for (let count = 0; count < 4; count += 1) {
      thread.finish();
      await turn();
    }
    expect(thread.steps.map(bodies).flat()).toEqual(['a1', 'b1', 'a2', 'b2', 'a3']);
  });

  it('ends the request of a thread that ran out of memory, and gives back what waits for no other', async () => {
    const { dispatcher, thread } = setUp(1, 1);
    const guilty = dispatcher.handle(attemptOf('guilty').attempt);
    await turn();
    const waiting = dispatcher.handle(attemptOf('waiting').attempt);
    dispatcher.loseThread(thread, 1_000);
    expect(await guilty).toMatchObject({
      kind: 'failed',
      error: {
        code: 'RESOURCE_EXHAUSTED',
        retryable: false,
        message: expect.stringContaining('1000 bytes') as string,
      },
    });
    expect(await waiting).toMatchObject({ kind: 'preempted' });
    expect(await dispatcher.handle(attemptOf('late').attempt)).toMatchObject({ kind: 'preempted' });
  });

  it('blames none of several that ran together, and goes on with the other threads', async () => {
    const { dispatcher, threads, thread } = setUp(2, 2);
    const together = ['a', 'b', 'c'].map((task) => dispatcher.handle(attemptOf(task).attempt));
    await turn();
    expect(thread.steps.map(bodies)).toEqual([['a', 'b']]);
    const waiting = dispatcher.handle(attemptOf('waiting').attempt);
    dispatcher.loseThread(thread, 1_000);
    for (const answer of together.slice(0, 2)) {
      expect(await answer).toMatchObject({
        kind: 'failed',
        error: { code: 'RESOURCE_EXHAUSTED', retryable: true },
        isSuspect: true,
      });
    }
    threads[1]?.finish();
    expect(await together[2]).toMatchObject({ kind: 'answered' });
    await turn();
    threads[1]?.finish();
    expect(await waiting).toMatchObject({ kind: 'answered' });
  });

  it('answers a cancelled request that waits, and cancels one that runs', async () => {
    const { dispatcher, thread } = setUp(1, 1);
    const running = attemptOf('running');
    const waiting = attemptOf('waiting');
    void dispatcher.handle(running.attempt);
    await turn();
    const answer = dispatcher.handle(waiting.attempt);
    waiting.abort.abort('CANCELLED');
    expect(await answer).toMatchObject({ kind: 'failed', error: { code: 'CANCELLED' } });
    running.abort.abort('CANCELLED');
    expect(thread.cancelled).toEqual([thread.steps[0]?.[0]?.requestId]);
    thread.finish();
    await turn();
    expect(thread.steps).toHaveLength(1);
  });

  it('hands chunks to the attempt they belong to', async () => {
    const { dispatcher, thread } = setUp();
    const of = attemptOf('a');
    void dispatcher.handle(of.attempt);
    await turn();
    thread.chunk({ index: 0, text: 'x', tokens: [1] });
    expect(of.chunks).toEqual([{ index: 0, text: 'x', tokens: [1] }]);
  });
});

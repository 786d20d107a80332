import type {
  AttemptOutcome,
  AttemptReport,
  AttemptSpec,
  Epoch,
  FunctionName,
  GenerateChunk,
  MailboxCommand,
  MailboxMessage,
} from '@llmos/base';
import {
  NO_COST,
  NO_TRAITS,
  asEpoch,
  builtInTraits,
  encodeJson,
  silentLogger,
  systemClock,
  systemTimers,
} from '@llmos/base';
import type { Attempt, AttemptHandler } from './attempt';
import { attemptSpec, runSome } from './attempt-fixture';
import type { TaskStore } from './ports/task-store';
import { ProcessRuntime } from './process-runtime';

/** No built-in function: nothing here knows one by its name. */
const STORY = 'story' as FunctionName;
const LIKE_GENERATIONS = builtInTraits('generate');
const RESULT = encodeJson({ ok: true, output: 1 });

function spec(task: string, more: Partial<AttemptSpec> = {}): AttemptSpec {
  return attemptSpec(task, { body: encodeJson({}), ...more });
}

class Fixture {
  readonly reports: AttemptReport[] = [];
  readonly committed: string[] = [];
  /** What the leader's record says. */
  leader: Epoch | undefined = asEpoch(5);
  looks = 0;
  /** Tasks whose first token was told. */
  readonly begun: string[] = [];
  private deliver: (message: MailboxMessage) => void = () => undefined;
  readonly runtime: ProcessRuntime;

  constructor(handler: AttemptHandler, store: Partial<TaskStore> = {}) {
    this.runtime = new ProcessRuntime({
      link: {
        open: async (deliver) => {
          this.deliver = deliver;
        },
        send: (report) => this.reports.push(report),
        close: () => undefined,
      },
      store: { ...this.store(), ...store },
      readEpoch: async () => {
        this.looks += 1;
        return this.leader;
      },
      runner: runSome(2, handler),
      traitsOf: (name) => (name === STORY ? LIKE_GENERATIONS : NO_TRAITS),
      incarnation: 2,
      permits: 4,
      chunkMs: 0,
      clock: systemClock,
      timers: systemTimers,
      log: silentLogger,
      onFirstToken: ({ task }) => this.begun.push(task),
    });
  }

  send(command: MailboxCommand, epoch = 5, incarnation = 2): void {
    this.deliver({ epoch, incarnation, command });
  }

  execute(of: AttemptSpec, epoch = 5): void {
    this.send({ kind: 'execute', spec: of }, epoch);
  }

  outcomes(task: string): AttemptOutcome[] {
    return this.reports
      .flatMap((report) => report.finished)
      .filter((entry) => entry.ref.task === task)
      .map((entry) => entry.outcome);
  }

  accepted(task: string): number {
    return this.reports.flatMap((report) => report.accepted).filter((ref) => ref.task === task)
      .length;
  }

  async until(isReached: () => boolean, what: string): Promise<void> {
    const endMs = performance.now() + 60_000;
    while (!isReached()) {
      if (performance.now() > endMs) throw new Error(`waited in vain: ${what}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  private store(): TaskStore {
    return {
      maxBodyBytes: 1e6,
      readBody: async () => ({ kind: 'gone' }),
      putResult: async (of) => {
        this.committed.push(of.task);
        return { kind: 'stored', sequence: 1 };
      },
      readResult: async () => ({ kind: 'none' }),
      encodeError: (error) => encodeJson({ ok: false, error }),
      putChunk: async () => ({ kind: 'stored', sequence: 1 }),
      readChunks: async () => ({ kind: 'read', chunks: [], lastSequence: 0, hasMore: false }),
    };
  }
}

const open: Fixture[] = [];
async function start(handler: AttemptHandler, store?: Partial<TaskStore>): Promise<Fixture> {
  const fixture = new Fixture(handler, store);
  open.push(fixture);
  await fixture.runtime.start();
  return fixture;
}
const answer: AttemptHandler = async () => ({ kind: 'answered', result: RESULT });
/** Gives its attempt back when asked, with two tokens. */
const generate: AttemptHandler = (attempt: Attempt) =>
  new Promise((resolve) => {
    attempt.preemption.addEventListener('abort', () => {
      resolve({ kind: 'preempted', state: { tokens: [7, 8], text: 'ab' } });
    });
  });
/** Ends only when its attempt is stopped. */
const hang: AttemptHandler = (attempt: Attempt) =>
  new Promise((resolve) => {
    attempt.signal.addEventListener('abort', () => resolve({ kind: 'answered', result: RESULT }));
  });

afterEach(() => {
  for (const fixture of open.splice(0)) fixture.runtime.close();
});

describe('process runtime', () => {
  it('runs a repeated execute once and repeats its end until confirmed', async () => {
    const fixture = await start(answer);
    fixture.execute(spec('a'));
    fixture.execute(spec('a'));
    await fixture.until(() => fixture.outcomes('a').length >= 2, 'a second report');
    expect(fixture.committed).toEqual(['a']);
    fixture.send({ kind: 'confirm', attempts: [spec('a')] });
    fixture.execute(spec('a'));
    await fixture.until(() => fixture.outcomes('a').length >= 3, 'the end again');
    expect(fixture.committed).toEqual(['a']);
  });

  it('refuses the commands of a lower epoch and of another incarnation', async () => {
    const fixture = await start(answer);
    fixture.leader = asEpoch(7);
    fixture.execute(spec('a'), 7);
    fixture.execute(spec('b'), 6);
    fixture.send({ kind: 'execute', spec: spec('c') }, 8, 1);
    fixture.execute(spec('d'), 7);
    await fixture.until(() => fixture.outcomes('d').length > 0, 'the end of d');
    expect(fixture.committed).toEqual(['a', 'd']);
  });

  it('believes no epoch that the leader’s record does not name, and says that it was told one', async () => {
    const fixture = await start(answer);
    fixture.execute(spec('forged'), Number.MAX_SAFE_INTEGER);
    fixture.execute(spec('a'));
    await fixture.until(() => fixture.outcomes('a').length > 0, 'the end of a');
    const said = (): unknown => fixture.reports.findLast((report) => report.heartbeat)?.heartbeat;
    fixture.send({ kind: 'hello' });
    const isSaid = (): boolean => fixture.reports.at(-1)?.heartbeat?.foreign === 1;
    await fixture.until(isSaid, 'a heartbeat that counts it');
    expect(said()).toMatchObject({ epoch: 5, foreign: 1 });
    expect(fixture.committed).toEqual(['a']);
  });

  it('obeys nobody new while the record can’t be read, and goes on with its leader', async () => {
    const fixture = await start(answer);
    fixture.execute(spec('a'));
    await fixture.until(() => fixture.outcomes('a').length > 0, 'the end of a');
    fixture.leader = undefined;
    fixture.execute(spec('b'), 6);
    fixture.execute(spec('c'));
    await fixture.until(() => fixture.outcomes('c').length > 0, 'the end of c');
    expect(fixture.committed).toEqual(['a', 'c']);
  });

  it('stops a running attempt that is cancelled and commits nothing', async () => {
    const fixture = await start(hang);
    fixture.execute(spec('a'));
    await fixture.until(() => fixture.accepted('a') === 1, 'the acceptance');
    fixture.send({ kind: 'cancel', attempt: spec('a'), reason: 'CANCELLED' });
    await fixture.until(() => fixture.outcomes('a').length > 0, 'the end');
    expect(fixture.outcomes('a')[0]).toEqual({ kind: 'stopped', reason: 'CANCELLED' });
    expect(fixture.committed).toEqual([]);
  });

  it('stops a waiting attempt without running it', async () => {
    const fixture = await start(hang);
    for (const task of ['a', 'b', 'c']) fixture.execute(spec(task));
    fixture.send({ kind: 'cancel', attempt: spec('c'), reason: 'CANCELLED' });
    await fixture.until(() => fixture.outcomes('c').length > 0, 'the end');
    expect(fixture.runtime.counts()).toMatchObject({ running: 2, waiting: 0 });
    fixture.send({ kind: 'cancel', attempt: spec('a'), reason: 'CANCELLED' });
    await fixture.until(() => fixture.runtime.counts().running === 1, 'the end of a');
    expect(fixture.runtime.counts().waiting).toBe(0);
  });

  it('says nothing of an attempt that the kernel replaced', async () => {
    const fixture = await start(hang);
    fixture.execute(spec('a'));
    fixture.send({ kind: 'cancel', attempt: spec('a'), reason: 'ABORTED' });
    await fixture.until(() => fixture.runtime.counts().running === 0, 'the stop');
    expect(fixture.outcomes('a')).toEqual([]);
    expect(fixture.committed).toEqual([]);
  });

  it('stops at the deadline, and does not start after it', async () => {
    const fixture = await start(hang);
    fixture.execute(spec('late', { deadlineAtMs: systemClock.nowMs() - 1 }));
    fixture.execute(spec('soon', { deadlineAtMs: systemClock.nowMs() + 50 }));
    await fixture.until(() => fixture.outcomes('soon').length > 0, 'the end');
    const end = { kind: 'stopped', reason: 'DEADLINE_EXCEEDED' };
    expect(fixture.outcomes('late')[0]).toEqual(end);
    expect(fixture.outcomes('soon')[0]).toEqual(end);
    expect(fixture.committed).toEqual([]);
  });

  it('commits a final error and leaves a retryable one to the kernel', async () => {
    const fixture = await start(async (attempt) => {
      const retryable = attempt.spec.task === 'again';
      const error = { code: 'UNAVAILABLE', retryable, message: 'no' } as const;
      return { kind: 'failed', error };
    });
    fixture.execute(spec('again'));
    fixture.execute(spec('final'));
    await fixture.until(() => fixture.outcomes('final').length > 0, 'the ends');
    expect(fixture.outcomes('again')[0]).toMatchObject({ kind: 'failed' });
    expect(fixture.outcomes('final')[0]).toMatchObject({ kind: 'committed', ok: false });
    expect(fixture.committed).toEqual(['final']);
  });

  it('tells of the first token of a stream, and not of what is kept where nobody reads', async () => {
    const fixture = await start(async (attempt) => {
      attempt.emitChunk({ index: 0, text: 'a', tokens: [7] });
      if (attempt.spec.task === 'kept')
        return { kind: 'preempted', state: { tokens: [7, 8], text: 'ab' } };
      return { kind: 'answered', result: RESULT };
    });
    fixture.execute(spec('kept', { function: STORY }));
    fixture.execute(spec('silent'));
    fixture.execute(spec('streams', { function: STORY, stream: true }));
    const tasks = ['kept', 'silent', 'streams'];
    await fixture.until(
      () => tasks.every((task) => fixture.outcomes(task).length > 0),
      'the ends of all',
    );
    expect(fixture.begun).toEqual(['streams']);
  });

  it('neither stores nor reads chunks of a function that does not stream, whatever is asked', async () => {
    let reads = 0;
    let puts = 0;
    const fixture = await start(
      async (attempt) => {
        attempt.emitChunk({ index: 0, text: 'a', tokens: [7] });
        return { kind: 'answered', result: RESULT };
      },
      {
        readChunks: async () => {
          reads += 1;
          return { kind: 'read', chunks: [], lastSequence: 0, hasMore: false };
        },
        putChunk: async () => {
          puts += 1;
          return { kind: 'stored', sequence: 1 };
        },
      },
    );
    fixture.execute(spec('a', { stream: true, attempt: 2 }));
    await fixture.until(() => fixture.outcomes('a').length > 0, 'the end');
    expect({ reads, puts }).toEqual({ reads: 0, puts: 0 });
    fixture.execute(spec('b', { function: STORY, stream: true, attempt: 2 }));
    await fixture.until(() => fixture.outcomes('b').length > 0, 'the end');
    expect({ reads, puts }).toEqual({ reads: 1, puts: 1 });
  });

  it('keeps trying to commit while the store is full, and loses nothing', async () => {
    let tries = 0;
    const fixture = await start(answer, {
      putResult: async () => {
        tries += 1;
        if (tries < 4) return { kind: 'unavailable', message: 'maximum bytes exceeded' };
        return { kind: 'stored', sequence: 1 };
      },
    });
    fixture.execute(spec('a'));
    await fixture.until(() => fixture.outcomes('a').length > 0, 'the end');
    expect(fixture.outcomes('a')[0]).toEqual({ kind: 'committed', ok: true });
  });

  it('commits an error in place of a result that is too large', async () => {
    const kept: Uint8Array[] = [];
    const fixture = await start(answer, {
      putResult: async (_of, result) => {
        if (result === RESULT) return { kind: 'too-large', limitBytes: 3 };
        kept.push(result);
        return { kind: 'stored', sequence: 1 };
      },
    });
    fixture.execute(spec('a'));
    await fixture.until(() => fixture.outcomes('a').length > 0, 'the end');
    const end = { kind: 'committed', ok: false, errorCode: 'RESOURCE_EXHAUSTED' };
    expect(fixture.outcomes('a')[0]).toEqual(end);
    expect(Buffer.from(kept[0] ?? []).toString()).toContain('the limit is 3');
  });

  it('names what it holds in a heartbeat when greeted', async () => {
    const fixture = await start(hang);
    fixture.execute(spec('a'));
    fixture.send({ kind: 'hello' });
    const latest = () => fixture.reports.findLast((report) => report.heartbeat !== undefined);
    await fixture.until(() => latest()?.heartbeat?.running.length === 1, 'a heartbeat with a');
    expect(latest()?.heartbeat?.epoch).toBe(5);
  });

  it('tells what attempts have cost so far in heartbeats, and at their end', async () => {
    const costOf = (deviceMs: number) => ({ ...NO_COST, deviceMs });
    let tell: (ms: number) => void = () => undefined;
    let end: () => void = () => undefined;
    const fixture = await start(async (attempt) => {
      tell = (ms) => attempt.tellCost(costOf(ms));
      await new Promise<void>((resolve) => (end = resolve));
      return { kind: 'answered', result: RESULT };
    });
    fixture.execute(spec('a'));
    await fixture.until(() => fixture.accepted('a') === 1, 'a to run');
    const told = () => fixture.reports.findLast((report) => report.heartbeat)?.heartbeat?.costs;
    fixture.send({ kind: 'hello' });
    await fixture.until(() => told()?.length === 1, 'a heartbeat');
    expect(told()).toEqual([undefined]);
    tell(5);
    tell(7);
    fixture.send({ kind: 'hello' });
    await fixture.until(() => told()?.[0] !== undefined, 'a heartbeat with a cost');
    expect(told()).toEqual([costOf(7)]);
    tell(9);
    end();
    const ended = () => fixture.reports.flatMap((report) => report.finished)[0];
    await fixture.until(() => ended() !== undefined, 'the end of a');
    expect(ended()).toMatchObject({ outcome: { kind: 'committed' }, cost: costOf(9) });
  });

  it('gives a generation back: what it has is stored first, and nothing is committed', async () => {
    const chunks: GenerateChunk[] = [];
    const fixture = await start(generate, {
      putChunk: async (_of, chunk) => {
        expect(fixture.outcomes('a')).toEqual([]);
        chunks.push(chunk);
        return { kind: 'stored', sequence: 9 };
      },
    });
    fixture.execute(spec('a', { function: STORY }));
    await fixture.until(() => fixture.accepted('a') === 1, 'the acceptance');
    fixture.send({ kind: 'preempt', attempt: spec('a') });
    await fixture.until(() => fixture.outcomes('a').length > 0, 'the end');
    expect(fixture.outcomes('a')[0]).toEqual({ kind: 'preempted' });
    expect(chunks).toEqual([{ index: 0, text: 'ab', tokens: [7, 8] }]);
    expect(fixture.committed).toEqual([]);
    expect(fixture.runtime.counts()).toMatchObject({ preempted: 1, stopped: 0 });
  });

  it('resumes a later attempt after what an earlier one stored, and stores only what is new', async () => {
    const chunks: GenerateChunk[] = [];
    const resumed: (readonly number[])[] = [];
    const first = { index: 0, text: 'a', tokens: [7] };
    const fixture = await start(
      (attempt) => {
        resumed.push(attempt.resumeTokens);
        return generate(attempt);
      },
      {
        readChunks: async () => ({
          kind: 'read',
          chunks: [{ sequence: 4, attempt: 1, chunk: first }],
          lastSequence: 4,
          hasMore: false,
        }),
        putChunk: async (_of, chunk, after) => {
          expect(after).toBe(4);
          chunks.push(chunk);
          return { kind: 'stored', sequence: 9 };
        },
      },
    );
    const second = spec('a', { function: STORY, attempt: 2 });
    fixture.execute(second);
    await fixture.until(() => resumed.length === 1, 'the handler to run');
    fixture.send({ kind: 'preempt', attempt: second });
    await fixture.until(() => fixture.outcomes('a').length > 0, 'the end');
    expect(resumed).toEqual([[7]]);
    expect(chunks).toEqual([{ index: 1, text: 'b', tokens: [8] }]);
  });

  it('gives generations back when it drains, waiting ones too, and lets the rest end', async () => {
    const fixture = await start((attempt) =>
      attempt.spec.function === STORY ? generate(attempt) : hang(attempt),
    );
    const generation = { function: STORY };
    fixture.execute(spec('echo'));
    for (const task of ['runs', 'waits']) fixture.execute(spec(task, generation));
    await fixture.until(() => fixture.accepted('waits') === 1, 'the acceptance');
    const drained = fixture.runtime.drain(60_000);
    await fixture.until(() => fixture.outcomes('runs').length > 0, 'the end of what ran');
    expect(fixture.outcomes('waits')[0]).toEqual({ kind: 'preempted' });
    expect(fixture.outcomes('echo')).toEqual([]);
    fixture.runtime.close();
    await drained;
  });

  it('does not run what was asked back, or came to its deadline, while it waited', async () => {
    const started: string[] = [];
    const fixture = await start((attempt) => {
      started.push(attempt.spec.task);
      return hang(attempt);
    });
    for (const task of ['a', 'b', 'back']) fixture.execute(spec(task));
    fixture.execute(spec('late', { deadlineAtMs: systemClock.nowMs() + 20 }));
    await fixture.until(() => fixture.runtime.counts().waiting === 2, 'two to wait');
    fixture.send({ kind: 'preempt', attempt: spec('back') });
    await fixture.until(() => fixture.outcomes('late').length > 0, 'the deadline');
    expect(fixture.outcomes('back')[0]).toEqual({ kind: 'preempted' });
    expect(fixture.outcomes('late')[0]).toMatchObject({ reason: 'DEADLINE_EXCEEDED' });
    for (const task of ['a', 'b']) {
      fixture.send({ kind: 'cancel', attempt: spec(task), reason: 'CANCELLED' });
      await fixture.until(() => fixture.outcomes(task).length > 0, 'the end');
    }
    expect(started).toEqual(['a', 'b']);
  });

  it('does not run what was asked back while its body was read', async () => {
    let read: () => void = () => undefined;
    const fixture = await start(hang, {
      readBody: async () => {
        await new Promise<void>((resolve) => (read = resolve));
        return { kind: 'read', body: RESULT };
      },
    });
    fixture.execute(spec('a', { body: undefined }));
    await fixture.until(() => fixture.accepted('a') === 1, 'the acceptance');
    fixture.send({ kind: 'preempt', attempt: spec('a') });
    await fixture.until(() => fixture.runtime.counts().running === 1, 'the request');
    read();
    await fixture.until(() => fixture.outcomes('a').length > 0, 'the end');
    expect(fixture.outcomes('a')[0]).toEqual({ kind: 'preempted' });
  });

  it('starts nothing that waits once it is closed, and no drain waits on', async () => {
    const started: string[] = [];
    const fixture = await start((attempt) => {
      started.push(attempt.spec.task);
      return hang(attempt);
    });
    for (const task of ['a', 'b', 'c']) fixture.execute(spec(task));
    await fixture.until(() => started.length === 2, 'two attempts to run');
    const drained = fixture.runtime.drain(60_000);
    fixture.runtime.close();
    await drained;
    await fixture.until(() => fixture.runtime.counts().running === 0, 'the stop');
    expect(started).toEqual(['a', 'b']);
  });

  it('takes nothing new while it drains, and ends when all is confirmed', async () => {
    let release: () => void = () => undefined;
    const fixture = await start(async () => {
      await new Promise<void>((resolve) => (release = resolve));
      return { kind: 'answered', result: RESULT };
    });
    fixture.execute(spec('a'));
    await fixture.until(() => fixture.accepted('a') === 1, 'the acceptance');
    const drained = fixture.runtime.drain(10_000);
    fixture.execute(spec('b'));
    release();
    await fixture.until(() => fixture.outcomes('a').length > 0, 'the end');
    fixture.send({ kind: 'confirm', attempts: [spec('a')] });
    await drained;
    expect(fixture.committed).toEqual(['a']);
  });
});

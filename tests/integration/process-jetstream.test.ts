/** A process against a real JetStream: commits, chunks, confirmations, epochs. */
import { BUCKETS, NO_TRAITS, STREAMS, silentLogger, subjects, systemClock } from '@llmos/base';
import type {
  AttemptSpec,
  FunctionName,
  MailboxCommand,
  NodeId,
  ProcessId,
  TenantId,
} from '@llmos/base';
import { runEach, runProcess } from '@llmos/process';
import { attemptSpec } from '@llmos/process/testing';
import type { Attempt, AttemptHandler, RunningProcess } from '@llmos/process';
import { decodeReport, encodeMailboxMessage } from '@llmos/wire';
import type { ReceivedReport } from '@llmos/wire';
import { DiscardPolicy, RetentionPolicy, connect, headers } from 'nats';
import type { JetStreamManager, KV, NatsConnection } from 'nats';
import { writeLeader } from '../support/leader-record';
import { PATIENT, startNatsServer } from '../support/nats-server';
import type { TestNatsServer } from '../support/nats-server';
import { rawPublish } from '../support/raw-nats';
import { waitFor } from '../support/wait-for';

/** Where the times of an order count from: they say what is left. */
const AT_ZERO = { nowMs: 0, wallMs: 0 };
const TENANT = 'acme' as TenantId;
const NODE = 'n1' as NodeId;
const TASK_SUBJECT = subjects.task({
  class: 'standard',
  tenant: TENANT,
  function: 'echo' as FunctionName,
});
let server: TestNatsServer;
let connection: NatsConnection;
let jsm: JetStreamManager;
let leaders: KV;
let taskCount = 0;

/** A process under test, and the part of a leader that talks to it. */
class Fixture {
  readonly reports: ReceivedReport[] = [];
  constructor(
    readonly process: RunningProcess,
    readonly pid: ProcessId,
    private readonly line: NatsConnection,
  ) {}

  static async start(handler: AttemptHandler, name: string): Promise<Fixture> {
    const pid = name as ProcessId;
    const line = await connect({ servers: server.url });
    const process = await runProcess({
      connection: line,
      node: NODE,
      pid,
      incarnation: 1,
      permits: 8,
      runner: runEach(handler),
      traitsOf: () => ({ ...NO_TRAITS, streams: true }),
      clock: systemClock,
      log: silentLogger,
    });
    const fixture = new Fixture(process, pid, line);
    connection.subscribe(subjects.report({ node: NODE, process: pid }), {
      callback: (_error, message) => fixture.reports.push(decodeReport(message.data)),
    });
    await connection.flush();
    fixtures.push(fixture);
    return fixture;
  }

  send(command: MailboxCommand, epoch = 5): void {
    const subject = subjects.mailbox({ node: NODE, process: this.pid });
    const message = { epoch, incarnation: 1, command };
    connection.publish(subject, encodeMailboxMessage(message, AT_ZERO));
  }

  finished(of: AttemptSpec) {
    return this.reports
      .flatMap((report) => report.finished)
      .filter((entry) => entry.ref.task === of.task && entry.ref.attempt === of.attempt)
      .map((entry) => entry.outcome);
  }

  end(of: AttemptSpec) {
    return waitFor(() => this.finished(of)[0], { what: `the end of ${of.task}/${of.attempt}` });
  }

  async stop(): Promise<void> {
    this.process.close();
    await this.line.close();
  }
}
const fixtures: Fixture[] = [];

function spec(more: Partial<AttemptSpec> = {}): AttemptSpec {
  taskCount += 1;
  return attemptSpec(`t${taskCount}`, { body: Buffer.from('{}'), ...more });
}

const resultOf = (text: string): Uint8Array =>
  Buffer.from(JSON.stringify({ ok: true, output: text }));
const says =
  (text: string): AttemptHandler =>
  async () => ({ kind: 'answered', result: resultOf(text) });
/** Streams one token at a time from where it resumes, each when `next` allows it. */
const streams =
  (count: number, next: (attempt: Attempt, index: number) => Promise<unknown>): AttemptHandler =>
  async (attempt) => {
    for (let index = attempt.resumeTokens.length; index < count; index += 1) {
      await next(attempt, index);
      if (attempt.signal.aborted) break;
      attempt.emitChunk({ index, text: `<${index}>`, tokens: [index] });
    }
    return { kind: 'answered', result: resultOf(`from ${attempt.resumeTokens.length}`) };
  };

async function storedResult(of: AttemptSpec): Promise<unknown> {
  const query = { last_by_subj: subjects.result(of) };
  return (await jsm.streams.getMessage(STREAMS.results, query)).json();
}

async function storedTokens(of: AttemptSpec): Promise<number[]> {
  const tokens: number[] = [];
  const last = await jsm.streams
    .getMessage(STREAMS.streams, { last_by_subj: subjects.stream(of) })
    .catch(() => undefined);
  for (let seq = 1; last !== undefined && seq <= last.seq; seq += 1) {
    const message = await jsm.streams.getMessage(STREAMS.streams, { seq });
    if (message.subject !== subjects.stream(of)) continue;
    tokens.push(...message.json<{ tokens: number[] }>().tokens);
  }
  return tokens;
}

beforeAll(async () => {
  server = await startNatsServer();
  connection = await connect({ servers: server.url });
  jsm = await connection.jetstreamManager(PATIENT);
  leaders = await connection.jetstream(PATIENT).views.kv(BUCKETS.leader);
  await writeLeader(leaders, { epoch: 5 });
  await jsm.streams.add({
    name: STREAMS.tasks,
    subjects: ['llmos.v1.task.standard.*.*'],
    retention: RetentionPolicy.Workqueue,
  });
  await jsm.streams.add({
    name: STREAMS.results,
    subjects: ['llmos.v1.result.*.*'],
    max_msgs_per_subject: 1,
    discard: DiscardPolicy.New,
    discard_new_per_subject: true,
    max_msgs: 1000,
  });
  await jsm.streams.add({ name: STREAMS.streams, subjects: ['llmos.v1.stream.*.*'] });
});

afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture.stop();
});

afterAll(async () => {
  await connection?.close();
  await server?.stop();
});

describe('a process on JetStream', () => {
  it('commits one result where two attempts compete, and both report it committed', async () => {
    const first = await Fixture.start(says('first'), 'p1-1');
    const second = await Fixture.start(says('second'), 'p1-2');
    const one = spec();
    const two = { ...one, attempt: 2 };
    first.send({ kind: 'execute', spec: one });
    second.send({ kind: 'execute', spec: two });
    expect(await first.end(one)).toEqual({ kind: 'committed', ok: true });
    expect(await second.end(two)).toEqual({ kind: 'committed', ok: true });
    const { state } = await jsm.streams.info(STREAMS.results, {
      subjects_filter: subjects.result(one),
    });
    expect(state.subjects).toEqual({ [subjects.result(one)]: 1 });
    expect(['first', 'second']).toContain(((await storedResult(one)) as { output: string }).output);
  });

  it('reports the stored result, not its own, where an error was committed before', async () => {
    const fixture = await Fixture.start(says('late'), 'p1-1');
    const of = spec();
    const error = { code: 'CANCELLED', retryable: false, message: 'cancelled' };
    await connection
      .jetstream(PATIENT)
      .publish(subjects.result(of), JSON.stringify({ ok: false, error }));
    fixture.send({ kind: 'execute', spec: of });
    expect(await fixture.end(of)).toEqual({ kind: 'committed', ok: false, errorCode: 'CANCELLED' });
    expect(await storedResult(of)).toEqual({ ok: false, error });
  });

  it('repeats an end whose confirmation is lost, and stops when confirmed', async () => {
    const fixture = await Fixture.start(says('x'), 'p1-1');
    const of = spec();
    fixture.send({ kind: 'execute', spec: of });
    await waitFor(() => fixture.finished(of).length >= 3, { what: 'two repetitions' });
    fixture.send({ kind: 'confirm', attempts: [of] });
    await waitFor(() => fixture.process.counts().unconfirmed === 0, { what: 'the confirmation' });
  });

  it('obeys its leader after a message of a huge epoch', async () => {
    const fixture = await Fixture.start(says('x'), 'p1-1');
    const [forged, first, later] = [spec(), spec(), spec()];
    fixture.send({ kind: 'execute', spec: first });
    await fixture.end(first);
    fixture.send({ kind: 'execute', spec: forged }, Number.MAX_SAFE_INTEGER);
    fixture.send({ kind: 'execute', spec: later });
    await fixture.end(later);
    const said = (): unknown => fixture.reports.findLast(({ heartbeat }) => heartbeat)?.heartbeat;
    await waitFor(() => (said() as { foreign: number }).foreign === 1, {
      what: 'a heartbeat that tells of it',
    });
    expect(said()).toMatchObject({ epoch: 5 });
    expect(fixture.finished(forged)).toEqual([]);
  });

  it('refuses commands of a lower epoch', async () => {
    const fixture = await Fixture.start(says('x'), 'p1-1');
    const [stale, fresh] = [spec(), spec()];
    await writeLeader(leaders, { epoch: 9 });
    fixture.send({ kind: 'hello' }, 9);
    fixture.send({ kind: 'execute', spec: stale }, 8);
    fixture.send({ kind: 'execute', spec: fresh }, 9);
    await fixture.end(fresh);
    expect(fixture.finished(stale)).toEqual([]);
    await expect(storedResult(stale)).rejects.toThrow('no message found');
    await writeLeader(leaders, { epoch: 5 });
  });

  it('reads a body that the message does not carry, of nearly the largest size', async () => {
    const bodies: number[] = [];
    const fixture = await Fixture.start(async (attempt) => {
      bodies.push(attempt.body.length);
      return { kind: 'answered', result: resultOf('x') };
    }, 'p1-1');
    const bytes = (connection.info?.max_payload ?? 0) - 64 * 1024;
    const ack = await connection
      .jetstream(PATIENT)
      .publish(TASK_SUBJECT, Buffer.alloc(bytes, 0x20));
    const { body: _none, ...of } = spec({ sequence: ack.seq });
    fixture.send({ kind: 'execute', spec: of });
    expect(await fixture.end(of)).toEqual({ kind: 'committed', ok: true });
    expect(bodies).toEqual([bytes]);
  });

  it('commits an error where the body is gone or belongs to another tenant', async () => {
    const fixture = await Fixture.start(says('x'), 'p1-1');
    const ack = await connection.jetstream(PATIENT).publish(TASK_SUBJECT, '{}');
    const { body: _a, ...gone } = spec({ sequence: 999_999 });
    const { body: _b, ...foreign } = spec({ sequence: ack.seq, tenant: 'other' as TenantId });
    for (const asked of [gone, foreign]) {
      fixture.send({ kind: 'execute', spec: asked });
      const end = { kind: 'committed', ok: false, errorCode: 'NOT_FOUND' };
      expect(await fixture.end(asked)).toEqual(end);
    }
  });

  it('commits a typed error in place of a result that no message can hold', async () => {
    const huge = Buffer.alloc((connection.info?.max_payload ?? 0) + 1, 0x20);
    const fixture = await Fixture.start(async () => ({ kind: 'answered', result: huge }), 'p1-1');
    const of = spec();
    fixture.send({ kind: 'execute', spec: of });
    await fixture.end(of);
    expect(await storedResult(of)).toMatchObject({ error: { code: 'RESOURCE_EXHAUSTED' } });
  });
});

describe('chunks on JetStream', () => {
  it('are stored in order, each token once', async () => {
    const fixture = await Fixture.start(
      streams(40, () => new Promise((resolve) => setImmediate(resolve))),
      'p1-1',
    );
    const of = spec({ stream: true });
    fixture.send({ kind: 'execute', spec: of });
    await fixture.end(of);
    expect(await storedTokens(of)).toEqual(Array.from({ length: 40 }, (_, index) => index));
  });

  it('of a successor go on after the tokens that were streamed, and the old one is refused', async () => {
    let letOldGo: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (letOldGo = resolve));
    const old = await Fixture.start(
      streams(10, (_attempt, index) => (index === 4 ? gate : Promise.resolve())),
      'p1-1',
    );
    const one = spec({ stream: true });
    old.send({ kind: 'execute', spec: one });
    await waitFor(async () => (await storedTokens(one)).length === 4, { what: 'four tokens' });
    const successor = await Fixture.start(
      streams(10, async () => undefined),
      'p1-2',
    );
    const two = { ...one, attempt: 2 };
    successor.send({ kind: 'execute', spec: two });
    expect(await successor.end(two)).toEqual({ kind: 'committed', ok: true });
    letOldGo();
    expect(await old.end(one)).toEqual({ kind: 'stopped', reason: 'REPLACED' });
    expect(await storedTokens(one)).toEqual(Array.from({ length: 10 }, (_, index) => index));
    expect(await storedResult(one)).toEqual({ ok: true, output: 'from 4' });
  });

  it('of a first attempt resume too: a leader that took over may not know of the first try', async () => {
    const of = spec({ stream: true });
    const fields = headers();
    fields.set('Llmos-Attempt', '1');
    await connection
      .jetstream(PATIENT)
      .publish(subjects.stream(of), JSON.stringify({ index: 0, text: 'a', tokens: [0, 1, 2] }), {
        headers: fields,
      });
    const fixture = await Fixture.start(
      streams(5, async () => undefined),
      'p1-1',
    );
    fixture.send({ kind: 'execute', spec: of });
    await fixture.end(of);
    expect(await storedTokens(of)).toEqual([0, 1, 2, 3, 4]);
    expect(await storedResult(of)).toEqual({ ok: true, output: 'from 3' });
  });

  it('with headers that the client refuses to read are read all the same', async () => {
    const of = spec({ stream: true });
    const block = Buffer.from('NATS/1.0\r\nBad Name: x\r\n\r\n');
    const chunk = Buffer.from(JSON.stringify({ index: 0, text: 'a', tokens: [0] }));
    const bytes = Buffer.concat([block, chunk]);
    const subject = subjects.stream(of);
    await rawPublish({ url: server.url, subject, headerBytes: block.length, bytes });
    const fixture = await Fixture.start(
      streams(2, async () => undefined),
      'p1-1',
    );
    fixture.send({ kind: 'execute', spec: of });
    expect(await fixture.end(of)).toEqual({ kind: 'committed', ok: true });
    expect(await storedResult(of)).toEqual({ ok: true, output: 'from 1' });
  });
});

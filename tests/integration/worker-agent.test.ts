/** The node agent as a program, against a real NATS server and a kernel of the test's own. */
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { BUCKETS, STREAMS, subjects } from '@llmos/base';
import type { FunctionName, NodeId, ProcessId, TaskId, TenantId } from '@llmos/base';
import * as wire from '@llmos/proto/node';
import { decodeReport, encodeMailboxMessage } from '@llmos/wire';
import { connect } from 'nats';
import type { JetStreamManager, KV, NatsConnection } from 'nats';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from '../support/is-alive';
import { writeLeader } from '../support/leader-record';
import { PATIENT, startNatsServer } from '../support/nats-server';
import type { TestNatsServer } from '../support/nats-server';
import { startWorker } from '../support/programs';
import type { TestProgram } from '../support/programs';
import { publishUnreadable } from '../support/raw-nats';
import { waitFor } from '../support/wait-for';

/** Where the times of an order count from: they say what is left. */
const AT_ZERO = { nowMs: 0, wallMs: 0 };
const NODE = 'n1' as NodeId;
const PID = 'p1-1' as ProcessId;
type Call = ServerDuplexStream<wire.NodeMessage, wire.KernelMessage>;

type StateOf<Kind extends 'ready' | 'exited'> = Kind extends 'ready'
  ? wire.ProcessReady
  : wire.ProcessExited;

/** Accepts node agents, remembers what they say, sends what a test wants. */
class AttachPoint {
  readonly calls: Call[] = [];
  readonly registrations: wire.Register[] = [];
  readonly changes: wire.ProcessChange[] = [];
  heartbeats = 0;
  url = '';
  private readonly server = new Server();

  constructor(readonly epoch: number) {}

  async listen(): Promise<void> {
    this.server.addService(wire.NodeRegistryServiceService, {
      attach: (call: Call) => this.accept(call),
    });
    const port = await new Promise<number>((resolve, reject) => {
      this.server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    this.url = `127.0.0.1:${port}`;
  }

  send(message: wire.KernelMessage['message'], epoch = this.epoch): void {
    this.calls.at(-1)?.write({ epoch, message });
  }

  start(target: string, incarnation = 1, registrationJson = ''): void {
    const spec = { target, registrationJson, device: 'cpu', reservedBytes: 0 };
    this.send({ $case: 'start', value: { process: PID, incarnation, spec } });
  }

  /** The latest word on this incarnation, once it is of this kind. */
  state<Kind extends 'ready' | 'exited'>(kind: Kind, incarnation = 1): Promise<StateOf<Kind>> {
    const look = (): StateOf<Kind> | undefined => {
      const last = this.changes.filter((change) => change.incarnation === incarnation).at(-1);
      return last?.state?.$case === kind ? (last.state.value as StateOf<Kind>) : undefined;
    };
    return waitFor(look, { what: `${kind} of incarnation ${incarnation}` });
  }

  close(): void {
    this.server.forceShutdown();
  }

  private accept(call: Call): void {
    this.calls.push(call);
    call.on('error', () => undefined);
    call.on('end', () => call.end());
    call.on('data', ({ message }: wire.NodeMessage) => {
      if (message?.$case === 'register') {
        this.registrations.push(message.value);
        call.write({
          epoch: this.epoch,
          message: { $case: 'welcome', value: { heartbeatMs: 100, leaseMs: 5000 } },
        });
      } else if (message?.$case === 'processChange') this.changes.push(message.value);
      else this.heartbeats += 1;
    });
  }
}

let server: TestNatsServer;
let connection: NatsConnection;
let jsm: JetStreamManager;
let leaders: KV;
let worker: TestProgram;
let folder: string;
/** What the agent asked of the leader's bucket before there was one. */
let askedBefore: readonly string[];
const kernels: AttachPoint[] = [];

async function lead(epoch: number): Promise<AttachPoint> {
  const kernel = new AttachPoint(epoch);
  kernels.push(kernel);
  await kernel.listen();
  await writeLeader(leaders, { epoch, grpcUrl: kernel.url });
  await waitFor(() => kernel.registrations.length > 0, { what: 'the registration' });
  return kernel;
}

function workerEnv(): Readonly<Record<string, string>> {
  return {
    LLMOS_SERVERS: server.url,
    LLMOS_NODE: NODE,
    LLMOS_DEVICE: 'cpu',
    LLMOS_CACHE_DIR: folder,
    LLMOS_LABELS: 'zone=a',
  };
}

beforeEach(async () => {
  server = await startNatsServer();
  connection = await connect({ servers: server.url });
  jsm = await connection.jetstreamManager(PATIENT);
  await jsm.streams.add({ name: STREAMS.results, subjects: ['llmos.v1.result.*.*'] });
  folder = mkdtempSync(join(tmpdir(), 'llmos-worker-'));
  const asked: string[] = [];
  connection.subscribe(`$JS.API.*.*.KV_${BUCKETS.leader}`, {
    callback: (_error, message) => asked.push(message.subject.split('.').slice(2, 4).join('.')),
  });
  connection.subscribe(`$JS.API.STREAM.MSG.GET.KV_${BUCKETS.leader}`, {
    callback: () => asked.push('STREAM.MSG.GET'),
  });
  await connection.flush();
  // Before there is a bucket: the agent must wait for it.
  worker = await startWorker({
    env: workerEnv(),
    readyMs: 60_000,
  });
  await waitFor(() => asked.length > 0, { what: 'the agent to ask for the bucket' });
  askedBefore = [...asked];
  leaders = await connection.jetstream(PATIENT).views.kv(BUCKETS.leader);
});

afterEach(async () => {
  await worker?.stop();
  for (const kernel of kernels.splice(0)) kernel.close();
  await connection?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('the node agent', () => {
  it('registers what it has, beats, and is ready only while attached', async () => {
    const readiness = async () => (await fetch(`${worker.ready.httpUrl}/readyz`)).status;
    expect(await readiness()).toBe(503);
    const kernel = await lead(3);
    const [registration] = kernel.registrations;
    expect(registration).toMatchObject({ node: NODE, labels: { zone: 'a' }, processes: [] });
    expect(registration?.cores).toBeGreaterThan(0);
    expect(registration?.memoryBytes).toBeGreaterThan(1e8);
    expect(registration?.devices.map((device) => device.id)).toEqual(['cpu']);
    await waitFor(() => kernel.heartbeats >= 3, { what: 'three heartbeats' });
    expect(await readiness()).toBe(200);
    const metrics = await (await fetch(`${worker.ready.httpUrl}/metrics`)).text();
    expect(metrics).toContain('llmos_worker_attached 1');
  });

  it('reads no bucket that may be in the making, which ends a server of 2.9', () => {
    expect(new Set(askedBefore)).toEqual(new Set(['STREAM.INFO']));
  });

  it('runs the echo program, which executes and commits, and stops it in order', async () => {
    const kernel = await lead(3);
    kernel.start('echo');
    const ready = await kernel.state('ready');
    expect(ready.permits).toBeGreaterThan(1);
    expect(ready.footprintBytes).toBeGreaterThan(1e7);
    expect(isAlive(ready.osPid)).toBe(true);

    const ends: string[] = [];
    const address = { node: NODE, process: PID };
    connection.subscribe(subjects.report(address), {
      callback: (_error, message) =>
        ends.push(...decodeReport(message.data).finished.map((entry) => entry.ref.task)),
    });
    const [tenant, task] = ['acme' as TenantId, 't1' as TaskId];
    const spec = {
      tenant,
      task,
      attempt: 1,
      function: 'echo' as FunctionName,
      class: 'standard' as const,
      priority: 5,
      sequence: 1,
      deadlineAtMs: Infinity,
      stream: false,
      format: 'json' as const,
      root: task,
      body: Buffer.from('{"big":12345678901234567890}'),
    };
    const execute = { epoch: 3, incarnation: 1, command: { kind: 'execute' as const, spec } };
    connection.publish(subjects.mailbox(address), encodeMailboxMessage(execute, AT_ZERO));
    await waitFor(() => ends.includes('t1'), { what: 'the end of t1' });
    const result = await jsm.streams.getMessage(STREAMS.results, {
      last_by_subj: subjects.result({ tenant, task }),
    });
    expect(result.string()).toBe('{"ok":true,"output":{"big":12345678901234567890}}');
    const confirm = { kind: 'confirm' as const, attempts: [spec] };
    connection.publish(
      subjects.mailbox(address),
      encodeMailboxMessage({ epoch: 3, incarnation: 1, command: confirm }, AT_ZERO),
    );

    kernel.send({ $case: 'stop', value: { process: PID, incarnation: 1, graceMs: 5000 } });
    expect(await kernel.state('exited')).toMatchObject({ reason: 'stopped' });
    await waitFor(() => !isAlive(ready.osPid), { what: 'the host to be gone' });
  });

  it('follows the leader’s record past one with malformed headers, and counts it', async () => {
    const kernel = await lead(3);
    const subject = `$KV.${BUCKETS.leader}.leader`;
    await publishUnreadable({ url: server.url, subject });
    const next = await lead(5);
    expect(kernel.registrations).toHaveLength(1);
    expect(next.registrations).toHaveLength(1);
    const metrics = await (await fetch(`${worker.ready.httpUrl}/metrics`)).text();
    expect(metrics).toContain('llmos_worker_messages_skipped_total 1');
  });

  it('attaches where the record has malformed headers at its start, once it is replaced', async () => {
    await worker.stop();
    await publishUnreadable({ url: server.url, subject: `$KV.${BUCKETS.leader}.leader` });
    worker = await startWorker({ env: workerEnv(), readyMs: 60_000 });
    const kernel = await lead(7);
    expect(kernel.registrations).toHaveLength(1);
  });

  it('keeps a process whose mailbox is given what can’t be read', async () => {
    const kernel = await lead(3);
    kernel.start('echo');
    const { osPid } = await kernel.state('ready');
    const address = { node: NODE, process: PID };
    const beats: number[] = [];
    connection.subscribe(subjects.report(address), {
      callback: (_error, message) => {
        if (decodeReport(message.data).heartbeat !== undefined) beats.push(1);
      },
    });
    const subject = subjects.mailbox(address);
    await publishUnreadable({ url: server.url, subject, body: 'no mail' });
    connection.publish(subject, Buffer.from([255, 255, 255]));
    const hello = { epoch: 3, incarnation: 1, command: { kind: 'hello' as const } };
    connection.publish(subject, encodeMailboxMessage(hello, AT_ZERO));
    await waitFor(() => beats.length > 1, { what: 'heartbeats after it' });
    expect(isAlive(osPid)).toBe(true);
    await waitFor(
      async () => {
        const metrics = await (await fetch(`${worker.ready.httpUrl}/metrics`)).text();
        return /llmos_process_messages_skipped_total\{[^}]*\} 2/.test(metrics);
      },
      { what: 'both to be counted' },
    );
  });

  it('tells that a host was killed, removes what it left, and starts the next incarnation', async () => {
    const kernel = await lead(3);
    kernel.start('echo');
    const first = await kernel.state('ready');
    const left = join(folder, 'drafts', `${NODE}.${PID}.1.weights-x`);
    mkdirSync(left);
    process.kill(first.osPid, 'SIGKILL');
    const exited = await kernel.state('exited');
    expect(exited.reason).toBe('crashed');
    expect(exited.message).toContain('SIGKILL');
    await waitFor(() => !existsSync(left), { what: 'its weights to be removed' });
    kernel.start('echo', 2);
    const second = await kernel.state('ready', 2);
    expect(second.osPid).not.toBe(first.osPid);
  });

  it('tells why a process can’t be started', async () => {
    const kernel = await lead(3);
    kernel.start('no-such-program');
    const exited = await kernel.state('exited');
    expect(exited).toMatchObject({ reason: 'load-failed', retryable: false });
    expect(exited.message).toContain('no-such-program');
    kernel.start('model@1', 2, '{"name":"../x"}');
    expect((await kernel.state('exited', 2)).message).toContain('../x');
  });

  it('follows a new leader at once, with its processes, and refuses the old one', async () => {
    const old = await lead(3);
    old.start('echo');
    const { osPid } = await old.state('ready');
    const next = await lead(4);
    expect(next.registrations[0]?.processes).toMatchObject([
      { process: PID, incarnation: 1, state: { $case: 'ready', value: { osPid } } },
    ]);
    // Until it has read whose record it is now, it obeys the leader that it knows.
    await waitFor(() => next.heartbeats > 0, { what: 'it to obey the new leader' });
    const stale = { process: PID, incarnation: 1, graceMs: 0 };
    next.send({ $case: 'stop', value: stale }, 3);
    await waitFor(() => next.registrations.length > 1, { what: 'to attach again' });
    expect(isAlive(osPid)).toBe(true);
  });

  it('takes its hosts with it, stopped or killed', async () => {
    const kernel = await lead(3);
    kernel.start('echo');
    const { osPid } = await kernel.state('ready');
    expect(await worker.stop()).toBe(0);
    expect(await kernel.state('exited')).toMatchObject({ reason: 'stopped' });
    expect(isAlive(osPid)).toBe(false);
  });

  it('leaves no host behind when it is killed', async () => {
    const kernel = await lead(3);
    kernel.start('echo');
    const { osPid } = await kernel.state('ready');
    await worker.kill();
    await waitFor(() => !isAlive(osPid), { what: 'the host to be gone' });
  });
});

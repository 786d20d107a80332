/**
 * A node in one object, for tests of the kernel alone: attaches over gRPC, "starts" processes and
 * runs `echo` in them, over the real wire. Finished attempts are repeated until confirmed.
 */
import { credentials } from '@grpc/grpc-js';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import {
  BUCKETS,
  HEADERS,
  STREAMS,
  asToken,
  decodeJson,
  encodeJson,
  formatIdentity,
  resultPlace,
  subjects,
  success,
} from '@llmos/base';
import type { NodeId, ProcessId, TaskId, TenantId } from '@llmos/base';
import { mailbox, report } from '@llmos/proto';
import * as wire from '@llmos/proto/node';
import { connect, headers as newHeaders } from 'nats';
import type { JetStreamClient, JetStreamManager, NatsConnection } from 'nats';
import { PATIENT } from './nats-server';

export interface FakeNodeOptions {
  readonly natsUrl: string;
  readonly node?: string;
  readonly permits?: number;
  /** Each attempt commits this often at once; one must win. */
  readonly commits?: number;
  /** Called when a process is to start; it is ready when it resolves. */
  readonly beforeReady?: (target: string) => Promise<void>;
  /** Forgets an attempt that it has accepted, as if its own memory were lost. */
  readonly forgets?: (execute: mailbox.Execute) => boolean;
  /** Called when an attempt begins; the attempt goes on when it resolves. */
  readonly beforeRun?: (execute: mailbox.Execute) => Promise<void>;
  /** Says of a process that it obeys this epoch, whoever leads. */
  readonly obeys?: (incarnation: number, pid: string) => number | undefined;
  /** Ends the attempt without a result instead. */
  readonly fail?: (execute: mailbox.Execute) => report.Failed | undefined;
}

type Stream = ClientDuplexStream<wire.NodeMessage, wire.KernelMessage>;
const MIB = 1024 * 1024;

export class FakeNode {
  /** Attempts that ran, as `tenant/task#attempt`. */
  readonly ran: string[] = [];
  readonly commitOutcomes = { won: 0, lost: 0 };
  private readonly nodeId: NodeId;
  private readonly processes = new Map<string, FakeProcess>();
  private stream: Stream | undefined;
  private client: wire.NodeRegistryServiceClient | undefined;
  private grpcUrl = '';
  private isClosed = false;
  private readonly timers: NodeJS.Timeout[] = [];

  private constructor(
    private readonly options: FakeNodeOptions,
    readonly connection: NatsConnection,
    readonly jetstream: JetStreamClient,
    readonly manager: JetStreamManager,
  ) {
    this.nodeId = asToken<NodeId>(options.node ?? 'node-1');
  }

  static async start(options: FakeNodeOptions): Promise<FakeNode> {
    const connection = await connect({ servers: options.natsUrl });
    const manager = await connection.jetstreamManager(PATIENT);
    const fake = new FakeNode(options, connection, connection.jetstream(PATIENT), manager);
    fake.timers.push(setInterval(() => void fake.followLeader().catch(() => undefined), 100));
    fake.timers.push(setInterval(() => fake.beat(), 200));
    return fake;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    for (const timer of this.timers) clearInterval(timer);
    this.stream?.cancel();
    this.client?.close();
    await this.connection.close();
  }

  private async followLeader(): Promise<void> {
    const bucket = await this.jetstream.views.kv(BUCKETS.leader, { bindOnly: true });
    const entry = await bucket.get('leader');
    if (entry === null || this.isClosed) return;
    const { grpcUrl, isReleased } = decodeJson(entry.value) as Record<string, unknown>;
    if (isReleased === true || typeof grpcUrl !== 'string') return;
    if (this.stream === undefined || this.grpcUrl !== grpcUrl) this.attach(grpcUrl);
  }

  private attach(grpcUrl: string): void {
    this.stream?.cancel();
    this.client?.close();
    this.grpcUrl = grpcUrl;
    this.client = new wire.NodeRegistryServiceClient(grpcUrl, credentials.createInsecure());
    const stream = this.client.attach();
    this.stream = stream;
    const gone = (): void => {
      if (this.stream === stream) this.stream = undefined;
    };
    stream.on('data', (message: wire.KernelMessage) => this.obey(message));
    stream.on('error', gone);
    stream.on('end', gone);
    const device = { id: 'cpu', provider: 'cpu', name: 'fake', capacityBytes: 4_096 * MIB };
    const value: wire.Register = {
      node: this.nodeId,
      session: `session-${this.nodeId}`,
      cores: 2,
      memoryBytes: 4_096 * MIB,
      devices: [device],
      providers: ['cpu'],
      versions: {},
      labels: {},
      processes: [...this.processes.values()].map((process) => process.change()),
    };
    stream.write({ message: { $case: 'register', value } });
  }

  private beat(): void {
    const value = { freeMemoryBytes: 2_048 * MIB, contexts: [], memory: [] };
    this.stream?.write({ message: { $case: 'heartbeat', value } });
    for (const process of this.processes.values()) process.beat();
  }

  private obey(message: wire.KernelMessage): void {
    const { message: command } = message;
    if (command?.$case === 'start') {
      const { process: pid, incarnation, spec } = command.value;
      if (spec === undefined || this.processes.has(pid)) return;
      const process = new FakeProcess(this, this.options, { pid, incarnation, spec });
      this.processes.set(pid, process);
      void this.makeReady(process);
    }
    if (command?.$case === 'stop') {
      const process = this.processes.get(command.value.process);
      this.processes.delete(command.value.process);
      process?.stop();
      const change = process?.exited();
      if (change === undefined) return;
      this.stream?.write({ message: { $case: 'processChange', value: change } });
    }
  }

  private async makeReady(process: FakeProcess): Promise<void> {
    await this.options.beforeReady?.(process.target);
    process.listen(this.nodeId);
    this.stream?.write({ message: { $case: 'processChange', value: process.change() } });
  }
}

interface FakeProcessStart {
  readonly pid: string;
  readonly incarnation: number;
  readonly spec: wire.ProcessSpec;
}

class FakeProcess {
  private readonly running = new Map<string, mailbox.AttemptRef>();
  private readonly finished = new Map<string, report.Finished>();
  private reportSubject = '';
  /** Whoever has the highest epoch. */
  private obeys = 0;
  private unsubscribe: () => void = () => undefined;

  constructor(
    private readonly node: FakeNode,
    private readonly options: FakeNodeOptions,
    private readonly start: FakeProcessStart,
  ) {}

  get target(): string {
    return this.start.spec.target;
  }

  listen(nodeId: NodeId): void {
    const address = { node: nodeId, process: asToken<ProcessId>(this.start.pid) };
    this.reportSubject = subjects.report(address);
    const subscription = this.node.connection.subscribe(subjects.mailbox(address), {
      callback: (_error, msg) => this.receive(mailbox.MailboxMessage.decode(msg.data)),
    });
    this.unsubscribe = () => subscription.unsubscribe();
  }

  stop(): void {
    this.unsubscribe();
  }

  change(): wire.ProcessChange {
    const { pid, incarnation, spec } = this.start;
    if (this.reportSubject === '') {
      const value = { osPid: 1, progress: 'loading' };
      return { process: pid, incarnation, spec, state: { $case: 'starting', value } };
    }
    const permits = this.options.permits ?? 64;
    const value = { osPid: 1, permits, footprintBytes: MIB, device: 'cpu' };
    return { process: pid, incarnation, spec, state: { $case: 'ready', value } };
  }

  exited(): wire.ProcessChange {
    const value = { reason: 'stopped', message: '', retryable: false };
    return { ...this.change(), state: { $case: 'exited', value } };
  }

  beat(): void {
    const running = [...this.running.values()];
    const { incarnation, pid } = this.start;
    const epoch = this.options.obeys?.(incarnation, pid) ?? this.obeys;
    const heartbeat = { running, costs: [], epoch, foreign: 0 };
    this.report({ heartbeat, finished: [...this.finished.values()] });
  }

  private receive(message: mailbox.MailboxMessage): void {
    if (message.incarnation !== this.start.incarnation) return;
    this.obeys = Math.max(this.obeys, message.epoch);
    switch (message.command?.$case) {
      case 'execute':
        return void this.execute(message.command.value);
      case 'confirm':
        for (const ref of message.command.value.attempts) this.finished.delete(keyOf(ref));
        return;
      case 'hello':
        return this.beat();
      default:
        return;
    }
  }

  private async execute(execute: mailbox.Execute): Promise<void> {
    const attempt = { tenant: execute.tenant, task: execute.task, attempt: execute.attempt };
    const key = keyOf(attempt);
    if (this.running.has(key)) return this.report({ accepted: [attempt] });
    const known = this.finished.get(key);
    if (known !== undefined) return this.report({ finished: [known] });
    this.running.set(key, attempt);
    this.node.ran.push(key);
    this.report({ accepted: [attempt] });
    if (this.options.forgets?.(execute) === true) return void this.running.delete(key);
    await this.options.beforeRun?.(execute);
    const failed = this.options.fail?.(execute);
    if (failed === undefined) await this.commit(execute);
    this.running.delete(key);
    const outcome: report.Finished['outcome'] =
      failed === undefined
        ? { $case: 'committed', value: { ok: true, errorCode: '' } }
        : { $case: 'failed', value: failed };
    this.finished.set(key, { attempt, outcome });
    this.report({ finished: [{ attempt, outcome }] });
  }

  private async commit(execute: mailbox.Execute): Promise<void> {
    const body = execute.body ?? (await this.bodyBySequence(execute.sequence));
    const result = encodeJson(success(decodeJson(body)));
    const of = {
      tenant: asToken<TenantId>(execute.tenant),
      task: asToken<TaskId>(execute.task),
    };
    const { subject } = resultPlace(of, execute.keepMs === 0 ? undefined : execute.keepMs);
    const headers = newHeaders();
    const { function: name, digest } = execute;
    if (digest !== '') headers.set(HEADERS.digest, formatIdentity({ function: name, digest }));
    const commits = Array.from({ length: this.options.commits ?? 1 }, () =>
      this.node.jetstream.publish(subject, result, {
        headers,
        expect: { lastSubjectSequence: 0 },
      }),
    );
    for (const outcome of await Promise.allSettled(commits)) {
      this.node.commitOutcomes[outcome.status === 'fulfilled' ? 'won' : 'lost'] += 1;
    }
  }

  private async bodyBySequence(seq: number): Promise<Uint8Array> {
    return (await this.node.manager.streams.getMessage(STREAMS.tasks, { seq })).data;
  }

  private report(of: Partial<report.ReportBatch>): void {
    // A process that is still made ready has no subject yet.
    if (this.reportSubject === '' || this.node.connection.isClosed()) return;
    const { incarnation } = this.start;
    const nothing = { accepted: [], finished: [], preempted: [], preemptedCosts: [] };
    const batch = { incarnation, ...nothing, ...of };
    const heartbeat = of.heartbeat;
    const bytes = report.ReportBatch.encode({ ...batch, heartbeat }).finish();
    this.node.connection.publish(this.reportSubject, bytes);
  }
}

function keyOf(ref: mailbox.AttemptRef): string {
  return `${ref.tenant}/${ref.task}#${ref.attempt}`;
}

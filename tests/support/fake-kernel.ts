/**
 * A stand-in for kernel and processes on a real NATS server, for tests of clients: it speaks the
 * wire contract, runs functions as plain handlers, and can be told to misbehave.
 */
import { connect, headers as natsHeaders } from 'nats';
import type { JetStreamClient, Msg, MsgHdrs, NatsConnection, Subscription } from 'nats';
import {
  HEADERS,
  LlmosError,
  PACKAGE_STORE,
  STREAMS,
  asToken,
  decodeJson,
  encodeJson,
  failure,
  parseSystemCall,
  parseTenantFunction,
  parseTenantTask,
  patterns,
  subjects,
  success,
  toErrorBody,
} from '@llmos/base';
import type { GenerateChunk, Result, TaskId, TenantId } from '@llmos/base';
import { PATIENT } from './nats-server';

export interface FakeTask {
  readonly tenant: TenantId;
  readonly id: TaskId;
  readonly function: string;
  readonly input: unknown;
  readonly signal: AbortSignal;
  header(name: string): string | undefined;
  /** Appends to the stream subject as a process does. */
  chunk(chunk: GenerateChunk): Promise<void>;
}
export type FakeFunction = (task: FakeTask) => unknown;

export interface FakeKernelOptions {
  readonly url: string;
  readonly user?: string;
  readonly pass?: string;
  readonly functions?: Readonly<Record<string, FakeFunction>>;
  readonly systemCalls?: Readonly<Record<string, (request: unknown) => unknown>>;
  /** Default true. */
  readonly directGet?: boolean;
}

interface RunningTask {
  readonly stop: AbortController;
  readonly result: Promise<Result>;
  readonly sequence: number;
}

export class FakeKernel {
  /** Requests heard, as `call`, `submit`, `cancel` or the name of a system call. */
  readonly heard: string[] = [];
  /** How often each function ran. */
  readonly runs: string[] = [];
  /** Requests of this many are taken in, and never answered. */
  silentAnswers = 0;
  private readonly tasks = new Map<string, RunningTask>();
  private subscriptions: Subscription[] = [];
  private readonly js: JetStreamClient;

  private constructor(
    readonly connection: NatsConnection,
    private readonly options: FakeKernelOptions,
  ) {
    this.js = connection.jetstream(PATIENT);
  }

  static async start(options: FakeKernelOptions): Promise<FakeKernel> {
    const { url, user, pass } = options;
    const credentials = user === undefined || pass === undefined ? {} : { user, pass };
    const connection = await connect({ servers: url, maxReconnectAttempts: -1, ...credentials });
    const kernel = new FakeKernel(connection, options);
    await kernel.createStreams();
    kernel.listen();
    await connection.flush();
    return kernel;
  }

  listen(): void {
    this.subscriptions = [
      this.serve(patterns.calls, (msg) => this.onTask('call', msg)),
      this.serve(patterns.submits, (msg) => this.onTask('submit', msg)),
      this.serve(patterns.cancels, (msg) => this.onCancel(msg)),
      this.serve(patterns.sys, (msg) => this.onSystemCall(msg)),
    ];
  }

  /** No longer there for new requests; what runs goes on. */
  deafen(): void {
    for (const subscription of this.subscriptions) subscription.unsubscribe();
    this.subscriptions = [];
  }

  async stop(): Promise<void> {
    for (const task of this.tasks.values()) task.stop.abort();
    await this.connection.close();
  }

  /** What a losing process does: everyone sees it, nothing is stored. */
  publishLosingResult(of: { tenant: string; task: string }, result: Result): void {
    const tenant = asToken<TenantId>(of.tenant);
    const task = asToken<TaskId>(of.task);
    const headers = this.refusedHeaders();
    this.connection.publish(subjects.result({ tenant, task }), encodeJson(result), { headers });
  }

  /** Of a message that subscribers see and that the stream does not take. */
  refusedHeaders(): MsgHdrs {
    const headers = natsHeaders();
    headers.set('Nats-Expected-Last-Subject-Sequence', '999999');
    return headers;
  }

  private async createStreams(): Promise<void> {
    const manager = await this.connection.jetstreamManager(PATIENT);
    const allow_direct = this.options.directGet ?? true;
    await manager.streams.add({
      name: STREAMS.results,
      subjects: [patterns.results],
      max_msgs_per_subject: 1,
      allow_direct,
    });
    await manager.streams.add({
      name: STREAMS.streams,
      subjects: [patterns.streams],
      allow_direct,
    });
    await this.js.views.os(PACKAGE_STORE);
  }

  private serve(subject: string, on: (msg: Msg) => Promise<void>): Subscription {
    const callback = (error: Error | null, msg: Msg): void => {
      if (error === null) void on(msg).catch(() => undefined);
    };
    return this.connection.subscribe(subject, { callback });
  }

  private async onTask(kind: 'call' | 'submit', msg: Msg): Promise<void> {
    this.heard.push(kind);
    const of = parseTenantFunction(kind, msg.subject);
    if (of === undefined) return;
    const id = asToken<TaskId>(msg.headers?.get(HEADERS.id));
    const key = `${of.tenant}.${id}`;
    const isDuplicate = this.tasks.has(key);
    const task = this.tasks.get(key) ?? this.run(of.tenant, id, of.function, msg);
    this.tasks.set(key, task);
    if (this.silentAnswers > 0) {
      this.silentAnswers -= 1;
      return;
    }
    if (kind === 'call') {
      msg.respond(encodeJson(await task.result));
      return;
    }
    const output = { task: id, sequence: task.sequence, duplicate: isDuplicate };
    msg.respond(encodeJson(success(output)));
  }

  private run(tenant: TenantId, id: TaskId, name: string, msg: Msg): RunningTask {
    this.runs.push(name);
    const stop = new AbortController();
    let lastSequence = 0;
    const task: FakeTask = {
      tenant,
      id,
      function: name,
      input: decodeJson(msg.data),
      signal: stop.signal,
      header: (header) => msg.headers?.get(header),
      chunk: async (chunk) => {
        const ack = await this.js.publish(
          subjects.stream({ tenant, task: id }),
          encodeJson(chunk),
          {
            expect: { lastSubjectSequence: lastSequence },
          },
        );
        lastSequence = ack.seq;
      },
    };
    return { stop, result: this.finish(task), sequence: this.tasks.size + 1 };
  }

  private async finish(task: FakeTask): Promise<Result> {
    let result: Result;
    try {
      const run = this.options.functions?.[task.function];
      if (run === undefined) throw new LlmosError('NOT_FOUND', `no function ${task.function}`);
      result = success((await run(task)) ?? null);
    } catch (error) {
      result = failure(toErrorBody(error));
    }
    await this.commit(task, result);
    return result;
  }

  private async commit(of: { tenant: TenantId; id: TaskId }, result: Result): Promise<void> {
    const subject = subjects.result({ tenant: of.tenant, task: of.id });
    const options = { expect: { lastSubjectSequence: 0 }, timeout: 1_000 };
    for (let attempt = 1; attempt <= 30 && !this.connection.isClosed(); attempt += 1) {
      try {
        await this.js.publish(subject, encodeJson(result), options);
        return;
      } catch (error) {
        // Another result is there already; anything else is a server that is away.
        if (String(error).includes('wrong last sequence')) return;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  private async onCancel(msg: Msg): Promise<void> {
    this.heard.push('cancel');
    const of = parseTenantTask('cancel', msg.subject);
    if (of === undefined) return;
    this.tasks.get(`${of.tenant}.${of.task}`)?.stop.abort();
    const error = new LlmosError('CANCELLED', 'the task was cancelled');
    await this.commit({ tenant: of.tenant, id: of.task }, failure(error.toBody()));
  }

  private async onSystemCall(msg: Msg): Promise<void> {
    const call = parseSystemCall(msg.subject)?.call ?? '';
    this.heard.push(call);
    try {
      const answer = this.options.systemCalls?.[call];
      if (answer === undefined) throw new LlmosError('NOT_FOUND', `no system call ${call}`);
      msg.respond(encodeJson(success(await answer(decodeJson(msg.data)))));
    } catch (error) {
      msg.respond(encodeJson(failure(toErrorBody(error))));
    }
  }
}

/**
 * A program's connection to the simulated server: what the adapters of kernel and process use of
 * the NATS client, with its errors.
 */
import { ErrorCode, NatsError } from 'nats';
import type { JetStreamManager, MsgHdrs, NatsConnection } from 'nats';
import type { Program } from '../program';
import type { StoredMessage } from './memory-stream';
import { MAX_PAYLOAD_BYTES, UNANSWERED, type SimulatedServer } from './simulated-server';

type Query =
  { readonly last_by_subj: string } | { readonly seq: number; readonly next_by_subj?: string };

interface PublishOptions {
  readonly headers?: MsgHdrs;
  readonly expect?: { readonly lastSubjectSequence?: number };
  readonly timeout?: number;
}

type Callback = (error: Error | null, msg: object) => void;

/** Longer than it takes unless something is wrong. */
const TIMEOUT_MS = 3_000;

export interface Connected {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  /** Nothing is heard and sent any more. */
  close(): void;
}

export function connectTo(server: SimulatedServer, program: Program): Connected {
  const link = new SimulatedConnection(server, program);
  return {
    connection: link as unknown as NatsConnection,
    manager: link.manager as unknown as JetStreamManager,
    close: () => link.close(),
  };
}

class SimulatedConnection {
  readonly info = { max_payload: MAX_PAYLOAD_BYTES, cluster: 'simulated' };
  private readonly unsubscribes = new Set<() => void>();
  private isOpen = true;

  readonly manager = {
    streams: {
      getMessage: (stream: string, query: Query) => this.getMessage(stream, query),
      deleteMessage: (stream: string, sequence: number) => this.deleteMessage(stream, sequence),
    },
  };

  constructor(
    private readonly server: SimulatedServer,
    private readonly program: Program,
  ) {}

  isClosed(): boolean {
    return !this.isOpen || !this.program.isRunning;
  }

  close(): void {
    this.isOpen = false;
    for (const unsubscribe of this.unsubscribes) unsubscribe();
  }

  flush(): Promise<void> {
    return new Promise((resolve) => void this.program.after(0.5, resolve));
  }

  publish(subject: string, data: Uint8Array): void {
    if (!this.isClosed()) this.server.publish(subject, data);
  }

  subscribe(subject: string, { callback }: { callback: Callback }): { unsubscribe(): void } {
    const end = this.server.subscribe(this.program, subject, (of, data) =>
      callback(null, { subject: of, data }),
    );
    const unsubscribe = (): void => {
      if (this.unsubscribes.delete(unsubscribe)) end();
    };
    this.unsubscribes.add(unsubscribe);
    return { unsubscribe };
  }

  jetstream(): object {
    return {
      publish: (subject: string, data: Uint8Array, options: PublishOptions = {}) =>
        this.store(subject, data, options),
    };
  }

  jetstreamManager(): Promise<object> {
    return Promise.resolve(this.manager);
  }

  private async store(
    subject: string,
    data: Uint8Array,
    { headers: header, expect, timeout = TIMEOUT_MS }: PublishOptions,
  ): Promise<{ seq: number }> {
    const name = streamOf(subject);
    const expectedLast = expect?.lastSubjectSequence;
    const message = {
      subject,
      data,
      header,
      ...(expectedLast === undefined ? {} : { expectedLast }),
    };
    const of = { name, timeoutMs: timeout };
    const outcome = await this.server.ask(this.program, of, () => this.server.store(name, message));
    if (outcome === UNANSWERED) throw timedOut();
    switch (outcome.kind) {
      case 'stored':
        return { seq: outcome.message.seq };
      case 'conflict':
        throw apiError(400, 10071, `wrong last sequence: ${outcome.last}`);
      case 'taken':
        throw apiError(400, 10077, 'maximum messages per subject exceeded');
      case 'too-large':
        throw apiError(400, 10054, 'message size exceeds maximum allowed');
      case 'full':
        throw apiError(503, 10077, 'maximum bytes exceeded');
    }
  }

  private async getMessage(name: string, query: Query): Promise<StoredMessage> {
    const stream = this.server.stream(name);
    const found = await this.server.ask(this.program, { name, timeoutMs: TIMEOUT_MS }, () => {
      if ('last_by_subj' in query) return stream.last(query.last_by_subj);
      const { seq, next_by_subj: subject } = query;
      return subject === undefined ? stream.get(seq) : stream.next(subject, seq);
    });
    if (found === UNANSWERED) throw timedOut();
    if (found === undefined) throw apiError(404, 10037, 'no message found');
    return found;
  }

  private async deleteMessage(name: string, sequence: number): Promise<boolean> {
    const isGone = await this.server.ask(this.program, { name, timeoutMs: TIMEOUT_MS }, () => {
      this.server.onDeleted(name, sequence);
      return this.server.stream(name).remove(sequence);
    });
    if (isGone === UNANSWERED) throw timedOut();
    return isGone;
  }
}

/** Where the messages of a subject are stored. */
function streamOf(subject: string): string {
  const [first, second, kind = ''] = subject.split('.');
  if (first === '$KV') return `KV_${second}`;
  const names: Readonly<Record<string, string>> = {
    task: 'LLMOS_TASKS',
    result: 'LLMOS_RESULTS',
    answer: 'LLMOS_ANSWERS',
    stream: 'LLMOS_STREAMS',
    dead: 'LLMOS_DEAD',
  };
  const name = names[kind];
  if (name === undefined) throw new Error(`no stream holds ${subject}`);
  return name;
}

function timedOut(): NatsError {
  return new NatsError('TIMEOUT', ErrorCode.Timeout);
}

function apiError(code: number, number: number, description: string): NatsError {
  const error = new NatsError(description, String(code));
  error.api_error = { code, err_code: number, description };
  return error;
}

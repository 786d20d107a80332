/**
 * What one tenant may send to harm another one. Plain NATS, since no client of ours would send it.
 *
 * All that could wait is of one family, so that one cancel ends what an attack left behind.
 */
import { decodeJson, isRecord } from '@llmos/base';
import { connect, createInbox, headers as newHeaders } from 'nats';
import type { MsgHdrs, NatsConnection, PublishOptions } from 'nats';
import type { AttackKind } from './hostile-messages';

const TENANT = 'hostile';
const ENCODER = 'mini-encoder';
const TELLER = 'storyteller';
/** Just below what may be forwarded: 1 MiB less 64 KiB, less the rest of the body. */
const NEARLY_ALL = 980_000;
const MAX_TEXTS = 1_024;
const LONG_TEXT = 'I am still waiting on my card, when will it arrive? '.repeat(17);
const CALLERS = 2_000;

type Send = (round: number) => void;

export class Attack {
  readonly heard: Record<string, number> = {};
  private readonly root = `root-${Date.now()}`;
  private readonly inbox = createInbox();
  private readonly sends: readonly Send[];
  private isEnded = false;

  constructor(
    private readonly connection: NatsConnection,
    kind: AttackKind,
  ) {
    connection.subscribe(`${this.inbox}.*`, { callback: (_error, msg) => this.hear(msg.data) });
    this.sends = this.sendsOf(kind);
  }

  once(round: number): void {
    const { sends } = this;
    sends[round % sends.length]?.(Math.floor(round / sends.length));
  }

  end(): void {
    this.isEnded = true;
    this.publish(`cancel.${TENANT}.${this.root}`);
  }

  private hear(data: Uint8Array): void {
    let code = 'unreadable';
    try {
      const value = decodeJson(data);
      const error = isRecord(value) ? value['error'] : undefined;
      code = isRecord(error) ? String(error['code']) : 'OK';
    } catch {
      // Counted as what it is.
    }
    this.heard[code] = (this.heard[code] ?? 0) + 1;
  }

  private sendsOf(kind: AttackKind): readonly Send[] {
    switch (kind) {
      case 'refused-published':
        return ['standard', 'interactive'].flatMap((taskClass) =>
          this.badTasks((name, body, fields) =>
            this.task(`task.${taskClass}.${TENANT}.${name}`, body, fields),
          ),
        );
      case 'refused-calls':
        return ['call', 'submit'].flatMap((kind) =>
          this.badTasks((name, body, fields) =>
            this.ask(`${kind}.${TENANT}.${name}`, body, fields),
          ),
        );
      case 'refused-sys':
        return this.badCalls();
      case 'huge-batch':
        return this.huge('batch');
      case 'huge-standard':
        return this.huge('standard');
      case 'huge-interactive':
        return this.huge('interactive');
      case 'asks':
        return this.asks();
      case 'callers':
        return this.callers();
      case 'readers':
        return this.readers();
    }
  }

  private badTasks(send: (name: string, body: string, fields?: Fields) => void): Send[] {
    const model = { model: ENCODER, text: 'x' };
    return [
      () => send('nosuch', '{}'),
      () => send('embed', '{'),
      () => send('embed', JSON.stringify({ ...model, model: 'nosuch' })),
      () => send('embed', JSON.stringify({ ...model, wrong: true })),
      () => send('echo', '1', { 'Llmos-Priority': 'eleven' }),
      () => send('echo', '1', { 'Llmos-Id': 'not a token' }),
      // One id for ever other bodies.
      (round) => send('echo', String(round), { 'Llmos-Id': `reused-${round % 64}` }),
    ];
  }

  private badCalls(): Send[] {
    return [
      () => this.ask(`sys.${TENANT}.nosuch`, '{}'),
      () => this.ask(`sys.${TENANT}.ps`, '{'),
      () => this.ask(`sys.${TENANT}.model-remove`, `{"model":"${ENCODER}"}`),
      () => this.ask(`sys.${TENANT}.status`, '{"task":17}'),
      () => this.ask(`sys.${TENANT}.attach`, '{"task":"nosuch","client":"me"}'),
    ];
  }

  private huge(taskClass: string): Send[] {
    const ids = Buffer.from(new BigInt64Array(64 * 256).fill(7n).buffer).toString('base64');
    const ones = Buffer.from(new BigInt64Array(64 * 256).fill(1n).buffer).toString('base64');
    const tensor = (data: string): object => ({ type: 'int64', dims: [64, 256], data });
    const inputs = {
      input_ids: tensor(ids),
      attention_mask: tensor(ones),
      token_type_ids: tensor(ids.replaceAll('B', 'A').replaceAll('c', 'A')),
    };
    const texts = Array.from({ length: MAX_TEXTS }, () => LONG_TEXT);
    const embed = JSON.stringify({ texts, truncate: true });
    const infer = JSON.stringify({ inputs });
    const echo = JSON.stringify('x'.repeat(NEARLY_ALL));
    const prompt = 'Once upon a time there was a card. '.repeat(40);
    const generate = JSON.stringify({ prompt, maxTokens: 150, minTokens: 150, n: 8 });
    const to = (name: string) => `task.${taskClass}.${TENANT}.${name}`;
    return [
      () => this.task(to('echo'), echo),
      () => this.task(to('embed'), embed, { 'Llmos-Model': ENCODER }),
      () => this.task(to('infer'), infer, { 'Llmos-Model': ENCODER }),
      () => this.task(to('generate'), generate, { 'Llmos-Model': TELLER }),
    ];
  }

  /** Cancels, looks and lists, of what there is and of what there never was. */
  private asks(): Send[] {
    return [
      (round) => this.ask(`cancel.${TENANT}.t${round}`, ''),
      (round) => this.ask(`sys.${TENANT}.status`, `{"task":"t${round}"}`),
      (round) => this.ask(`sys.${TENANT}.attach`, `{"task":"t${round}","client":"c${round}"}`),
      () => this.ask(`sys.${TENANT}.ps`, '{}'),
      () => this.ask(`sys.${TENANT}.models`, '{}'),
      () => this.ask(`sys.${TENANT}.functions`, '{}'),
      () => this.ask(`sys.${TENANT}.info`, '{}'),
      () => this.ask(`sys.${TENANT}.limits`, '{}'),
    ];
  }

  /** Bound to callers whom nobody ever hears of. */
  private callers(): Send[] {
    const body = JSON.stringify({ prompt: 'Once upon a time', maxTokens: 400 });
    return [
      (round) => {
        const fields = { 'Llmos-Caller': `dead-${round % CALLERS}`, 'Llmos-Model': TELLER };
        this.task(`task.batch.${TENANT}.generate`, body, { ...fields, 'Llmos-Id': `c${round}` });
      },
    ];
  }

  /** Streams that are opened over and over by readers that read nothing, or hang up. */
  private readers(): Send[] {
    const prompt = 'Once upon a time';
    const body = JSON.stringify({ prompt, maxTokens: 400, minTokens: 400 });
    const fields = { 'Llmos-Stream': 'true', 'Llmos-Model': TELLER };
    return [
      (round) => {
        const id = `story-${round}`;
        this.task(`task.standard.${TENANT}.generate`, body, { ...fields, 'Llmos-Id': id });
        void this.readSlowly(id);
      },
    ];
  }

  /** A connection that subscribes, and is not read from until it is closed. */
  private async readSlowly(task: string): Promise<void> {
    const servers = this.connection.getServer();
    const reader = await connect({ servers, reconnect: false }).catch(() => undefined);
    if (reader === undefined) return;
    const subject = `llmos.v1.deliver.${TENANT}.${task}`;
    reader.subscribe(subject, { callback: () => undefined });
    await reader.flush();
    const socket = (reader as unknown as { protocol?: { transport?: { socket?: Paused } } })
      .protocol?.transport?.socket;
    socket?.pause();
    for (let fromIndex = 0; !this.isEnded && fromIndex < 64; fromIndex += 1) {
      this.ask(`sys.${TENANT}.attach`, JSON.stringify({ task, client: task, fromIndex }));
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    socket?.resume();
    await reader.close();
  }

  private task(to: string, body: string, fields: Fields = {}): void {
    this.publish(to, body, { headers: headersOf({ ...fields, 'Llmos-Root': this.root }) });
  }

  private ask(to: string, body: string, fields?: Fields): void {
    const headers = fields === undefined ? {} : { headers: headersOf(fields) };
    this.publish(to, body, { reply: `${this.inbox}.1`, ...headers });
  }

  private publish(to: string, body = '', options: PublishOptions = {}): void {
    this.connection.publish(`llmos.v1.${to}`, Buffer.from(body), options);
  }
}

type Fields = Readonly<Record<string, string>>;
interface Paused {
  pause(): void;
  resume(): void;
}

function headersOf(fields: Fields): MsgHdrs {
  const made = newHeaders();
  for (const [name, value] of Object.entries(fields)) made.set(name, value);
  return made;
}

/** Plain NATS, as docs/protocol.md describes it: no SDK, and no JetStream client either. */
import { functions } from '@llmos/proto';
import { ErrorCode, NatsError, headers as newHeaders } from 'nats';
import type { Msg, MsgHdrs, NatsConnection } from 'nats';
import type { Message } from './case';

/** Longer than a model needs to be fetched, loaded and run. */
const ANSWER_MS = 120_000;
/** A result is announced on its subject; one that was missed is found by looking again. */
const LOOK_AGAIN_MS = 500;
const PROTOBUF = 'application/x-protobuf';

export interface Reply {
  readonly body: unknown;
  readonly header: (name: string) => string | undefined;
}

/** Undefined where nobody listens. */
export async function request(
  connection: NatsConnection,
  message: Message,
): Promise<Reply | undefined> {
  const fields = headersOf(message);
  try {
    const answer = await connection.request(message.subject, bodyOf(message), {
      timeout: ANSWER_MS,
      ...(fields === undefined ? {} : { headers: fields }),
    });
    return replyOf(answer);
  } catch (error) {
    if (isNobody(error)) return undefined;
    throw error;
  }
}

/** Publishes with this reply subject, and answers whether something came there. */
export async function isAnswered(
  connection: NatsConnection,
  message: Message,
  reply: string,
): Promise<boolean> {
  let heard = false;
  const subscription = connection.subscribe(reply, { callback: () => (heard = true) });
  connection.publish(message.subject, bodyOf(message), { reply });
  // What is answered after this request would have been answered before it.
  const { subject } = message;
  await connection.request(subject, bodyOf(message), { timeout: ANSWER_MS });
  subscription.unsubscribe();
  return heard;
}

export async function waitForResult(
  connection: NatsConnection,
  of: { readonly tenant: string; readonly task: string },
): Promise<Reply> {
  const name = `${of.tenant}.${of.task}`;
  const places = [
    { stream: 'LLMOS_RESULTS', subject: `llmos.v1.result.${name}` },
    { stream: 'LLMOS_ANSWERS', subject: `llmos.v1.answer.${name}` },
  ];
  let wake = (): void => undefined;
  const subscriptions = places.map(({ subject }) =>
    connection.subscribe(subject, { callback: () => wake() }),
  );
  try {
    for (const endMs = performance.now() + ANSWER_MS; performance.now() < endMs;) {
      for (const { stream, subject } of places) {
        const stored = await getStored(connection, `${stream}.${subject}`, '');
        if (stored !== undefined) return replyOf(stored);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LOOK_AGAIN_MS);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  } finally {
    for (const subscription of subscriptions) subscription.unsubscribe();
  }
  throw new Error(`no result of ${name} after ${ANSWER_MS} ms`);
}

/** Everything that is stored on one stream subject, in order. */
export async function readChunks(
  connection: NatsConnection,
  of: { readonly tenant: string; readonly task: string },
): Promise<readonly Reply[]> {
  const subject = `llmos.v1.stream.${of.tenant}.${of.task}`;
  const chunks: Reply[] = [];
  for (let sequence = 1; ;) {
    const query = JSON.stringify({ seq: sequence, next_by_subj: subject });
    const stored = await getStored(connection, 'LLMOS_STREAMS', query);
    if (stored === undefined) return chunks;
    const chunk = replyOf(stored);
    chunks.push(chunk);
    sequence = Number(stored.headers?.last('Nats-Sequence')) + 1;
  }
}

/** A direct get; undefined where nothing is stored. */
async function getStored(
  connection: NatsConnection,
  path: string,
  query: string,
): Promise<Msg | undefined> {
  const answer = await connection.request(`$JS.API.DIRECT.GET.${path}`, query, {
    timeout: ANSWER_MS,
  });
  const code = answer.headers?.code ?? 0;
  if (code === 404) return undefined;
  if (code >= 400) throw new Error(`reading ${path}: ${code} ${answer.headers?.description}`);
  return answer;
}

function replyOf(message: Msg): Reply {
  const fields = message.headers;
  const header = (name: string): string | undefined => {
    const value = fields?.get(name);
    return value === undefined || value === '' ? undefined : value;
  };
  if (header('Content-Type') === PROTOBUF) {
    const decoded = functions.TaskResult.decode(message.data);
    return { body: functions.TaskResult.toJSON(decoded), header };
  }
  return { body: JSON.parse(message.string()) as unknown, header };
}

function headersOf(message: Message): MsgHdrs | undefined {
  const entries = Object.entries(message.headers ?? {});
  if (entries.length === 0) return undefined;
  const fields = newHeaders();
  for (const [name, value] of entries) fields.append(name, value);
  return fields;
}

interface ProtobufMessage {
  fromJSON(value: unknown): unknown;
  encode(message: unknown): { finish(): Uint8Array };
}

function bodyOf(message: Message): Uint8Array {
  const { json, text, base64, protobuf, fill } = message;
  if (json !== undefined) return Buffer.from(JSON.stringify(json));
  if (base64 !== undefined) return Buffer.from(base64, 'base64');
  if (fill !== undefined) {
    return Buffer.from(fill.head + fill.unit.repeat(fill.times) + fill.tail);
  }
  if (protobuf === undefined) return Buffer.from(text ?? '');
  const known = functions as unknown as Readonly<Record<string, ProtobufMessage>>;
  const codec = known[protobuf.message];
  if (codec === undefined) throw new Error(`functions.proto has no ${protobuf.message}`);
  return codec.encode(codec.fromJSON(protobuf.value)).finish();
}

function isNobody(error: unknown): boolean {
  return error instanceof NatsError && error.code === (ErrorCode.NoResponders as string);
}

/** What the bad-input tests share: a request over plain NATS, and proof that nothing else suffers. */
import type { ErrorCode } from '@llmos/base';
import { connect, headers as newHeaders } from 'nats';
import type { NatsConnection } from 'nats';
import type { Answer, RequestOptions } from './kernel-under-test';
import { request } from './kernel-under-test';
import type { TestSystem } from './test-system';

/** What is sent, and the code and words that must come back. */
export interface BadRequest {
  readonly name: string;
  /** After `llmos.v1.`. */
  readonly subject: string;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly code: ErrorCode;
  readonly message: RegExp;
}

export interface Requester {
  readonly connection: NatsConnection;
  ask(subject: string, body: unknown, options?: RequestOptions): Promise<Answer>;
  /** The bytes of the answer, where they need not be JSON. */
  raw(subject: string, body: Uint8Array, headers: Record<string, string>): Promise<Uint8Array>;
  expectRefusal(bad: BadRequest): Promise<void>;
  /** Another task, which must run as if nothing had been. */
  expectStillGood(): Promise<void>;
  close(): Promise<void>;
}

const PATIENCE_MS = 90_000;

export async function openRequester(system: TestSystem): Promise<Requester> {
  const connection = await connect({ servers: system.nats.url });
  let asked = 0;
  const ask: Requester['ask'] = (subject, body, options = {}) =>
    request(connection, {
      subject: `llmos.v1.${subject}`,
      body,
      timeoutMs: PATIENCE_MS,
      ...options,
    });
  const expectStillGood = async (): Promise<void> => {
    asked += 1;
    const answer = await ask('call.default.echo', { still: 'good', asked });
    expect(answer).toEqual({ ok: true, output: { still: 'good', asked } });
  };
  return {
    connection,
    ask,
    raw: async (subject, body, headers) => {
      const own = newHeaders();
      for (const [name, value] of Object.entries(headers)) own.set(name, value);
      const options = { headers: own, timeout: PATIENCE_MS };
      return (await connection.request(`llmos.v1.${subject}`, body, options)).data;
    },
    expectStillGood,
    expectRefusal: async ({ subject, body, headers, code, message }) => {
      const answer = await ask(subject, body, headers === undefined ? {} : { headers });
      expect(answer).toMatchObject({ ok: false, error: { code, retryable: false } });
      expect(answer.error?.message).toMatch(message);
      await expectStillGood();
    },
    close: () => connection.close(),
  };
}

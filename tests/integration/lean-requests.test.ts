/** Lean requests against a real server: callers can't tell them from the client's own. */
import { NatsError, connect, createInbox, headers } from 'nats';
import type { Msg, NatsConnection } from 'nats';
import { useLeanRequests } from '@llmos/wire';
import { PATIENT, startNatsServer } from '../support/nats-server';
import type { TestNatsServer } from '../support/nats-server';
import { waitFor } from '../support/wait-for';

const USERS = `
accounts { A { jetstream: enabled, users: [
  { user: all, password: p }
  { user: narrow, password: p, permissions { publish { deny: "secret" } } }
  { user: deaf, password: p, permissions { subscribe { deny: "_INBOX.>" } } }
] } }`;

let server: TestNatsServer;
const opened: NatsConnection[] = [];

beforeAll(async () => {
  server = await startNatsServer({ config: USERS });
});
afterAll(() => server.stop());
afterEach(async () => {
  await Promise.all(opened.splice(0).map((connection) => connection.close()));
});

describe.each([['the client'], ['lean requests']])('with %s', (kind) => {
  async function open(user = 'all'): Promise<NatsConnection> {
    const connection = await connect({ servers: server.url, user, pass: 'p' });
    opened.push(connection);
    if (kind === 'lean requests') {
      useLeanRequests(connection, { inbox: createInbox(), errors: NatsError });
    }
    return connection;
  }

  it('hands on body and headers, and the answer as it is, an empty one too', async () => {
    const connection = await open();
    connection.subscribe('twice', {
      callback: (_error, msg) => {
        const empty = msg.data.length === 0;
        if (empty) return msg.respond(new Uint8Array(), { headers: headers(404, 'nothing') });
        const written = headers();
        written.set('Seen', msg.headers?.get('Sent') ?? 'none');
        return msg.respond(`${msg.string()}${msg.string()}`, { headers: written });
      },
    });
    const sent = headers();
    sent.set('Sent', 'yes');
    const many = await Promise.all(
      ['a', 'b', 'c'].map((body) =>
        connection.request('twice', body, { timeout: 60_000, headers: sent }),
      ),
    );
    expect(many.map((msg: Msg) => msg.string())).toEqual(['aa', 'bb', 'cc']);
    expect(many[0]?.headers?.get('Seen')).toBe('yes');
    const nothing = await connection.request('twice', undefined, { timeout: 60_000 });
    expect(nothing.headers?.code).toBe(404);
  });

  it('says by code that nobody listens, that time ran out and that the subject is empty', async () => {
    const connection = await open();
    connection.subscribe('mute', { callback: () => undefined });
    const code = (subject: string, timeout = 60_000): Promise<string> =>
      connection.request(subject, 'x', { timeout }).then(
        () => 'answered',
        (error: unknown) => (error instanceof NatsError ? error.code : String(error)),
      );
    await expect(code('nobody')).resolves.toBe('503');
    await expect(code('mute', 30)).resolves.toBe('TIMEOUT');
    await expect(code('')).resolves.toBe('BAD_SUBJECT');
  });

  it('ends at once what the server refuses to publish or to answer', async () => {
    const narrow = await open('narrow');
    await expect(narrow.request('secret', 'x', { timeout: 60_000 })).rejects.toMatchObject({
      code: 'PERMISSIONS_VIOLATION',
      message: expect.stringContaining('Publish to "secret"') as string,
    });
    const deaf = await open('deaf');
    await expect(deaf.request('twice', 'x', { timeout: 60_000 })).rejects.toMatchObject({
      code: 'PERMISSIONS_VIOLATION',
    });
  });

  it('rejects a body above the limit, and every request of a closed connection', async () => {
    const connection = await open();
    const large = new Uint8Array((connection.info?.max_payload ?? 0) + 1);
    await expect(connection.request('mute', large, { timeout: 60_000 })).rejects.toMatchObject({
      code: 'MAX_PAYLOAD_EXCEEDED',
    });
    connection.subscribe('mute', { callback: () => undefined });
    const waiting = connection.request('mute', 'x', { timeout: 60_000 });
    await connection.close();
    await expect(waiting).rejects.toMatchObject({ code: 'TIMEOUT' });
    const late = connection.request('mute', 'x', { timeout: 60_000 });
    await expect(late).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' });
  });

  it('carries the JetStream clients: acknowledgements, refusals and reads', async () => {
    const connection = await open();
    const manager = await connection.jetstreamManager(PATIENT);
    const name = kind === 'the client' ? 'ONE' : 'TWO';
    await manager.streams.add({ name, subjects: [`${name}.*`] });
    const stream = connection.jetstream(PATIENT);
    const expect0 = { expect: { lastSubjectSequence: 0 } };
    await expect(stream.publish(`${name}.a`, 'x', expect0)).resolves.toMatchObject({ seq: 1 });
    await expect(stream.publish(`${name}.a`, 'x', { ...expect0 })).rejects.toMatchObject({
      api_error: { err_code: 10_071 },
    });
    const read = await manager.streams.getMessage(name, { seq: 1 });
    expect(read.string()).toBe('x');
    await expect(manager.streams.getMessage(name, { seq: 9 })).rejects.toMatchObject({
      api_error: { err_code: 10_037 },
    });
  });

  it('goes on after the server was away', async () => {
    const connection = await open();
    connection.subscribe('there', { callback: (_error, msg) => msg.respond('yes') });
    await connection.request('there', '', { timeout: 60_000 });
    await server.kill();
    await server.restart();
    const answer = await waitFor(() => connection.request('there', '', { timeout: 2_000 }), {
      what: 'an answer after the restart',
    });
    expect(answer.string()).toBe('yes');
  });
});

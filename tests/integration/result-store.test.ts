/** What kernels hear and read of committed results: JetStreamResultStore on a real server. */
import { STREAMS, asToken, patterns, silentLogger, subjects } from '@llmos/base';
import type { TaskId, TenantId, TenantTask } from '@llmos/base';
import { JetStreamResultStore, ResultReads } from '@llmos/kernel/testing';
import type { ResultNotice } from '@llmos/kernel/testing';
import { closeLink } from '@llmos/wire';
import { headers as newHeaders } from 'nats';
import type { NatsConnection } from 'nats';
import { openKernelLink } from '../support/kernel-link';
import type { TestNatsServer } from '../support/nats-server';
import { PATIENT, startNatsServer } from '../support/nats-server';
import { publishUnreadable } from '../support/raw-nats';
import { waitFor } from '../support/wait-for';

interface Heard extends ResultNotice {
  readonly name: string;
}

interface Watched {
  readonly store: JetStreamResultStore;
  readonly heard: Heard[];
  /** Whether bodies are to come along. */
  wants: boolean;
}

let nats: TestNatsServer;
/** As a kernel has it, behind its guards. */
let connection: NatsConnection;
const closers: (() => Promise<void>)[] = [];

beforeAll(async () => {
  nats = await startNatsServer();
  connection = await openKernelLink(nats.url);
  await makeStream(STREAMS.results, patterns.results);
  await makeStream(STREAMS.answers, patterns.answers);
});
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});
afterAll(async () => {
  if (connection !== undefined) await closeLink(connection);
  await nats?.stop();
});

async function makeStream(name: string, subject: string): Promise<void> {
  const manager = await connection.jetstreamManager(PATIENT);
  const own = { max_msgs_per_subject: 1, allow_direct: true };
  await manager.streams.add({ name, subjects: [subject], ...own });
}

async function watchResults(): Promise<Watched> {
  const manager = await connection.jetstreamManager(PATIENT);
  const nowMs = (): number => performance.now();
  const reads = new ResultReads({ connection, manager, nowMs });
  const store = new JetStreamResultStore({ connection, manager, log: silentLogger, reads });
  const watched: Watched = { store, heard: [], wants: false };
  closers.push(() => store.close());
  await store.watch({
    onCommitted: ({ tenant, task }, notice) => {
      const { body } = notice;
      const kept = body === undefined ? {} : { body: new Uint8Array(body) };
      watched.heard.push({ name: `${tenant}/${task}`, ...notice, ...kept });
    },
    wantsBodies: () => watched.wants,
  });
  return watched;
}

const taskOf = (task: string, tenant = 'acme'): TenantTask => ({
  tenant: asToken<TenantId>(tenant),
  task: asToken<TaskId>(task),
});

async function commit(
  task: string,
  body = 'result',
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const all = newHeaders();
  for (const [name, value] of Object.entries(headers)) all.append(name, value);
  const options = { headers: all, expect: { lastSubjectSequence: 0 } };
  await connection.jetstream(PATIENT).publish(subjects.result(taskOf(task)), body, options);
}

const until = (watched: Watched, name: string): Promise<Heard> =>
  waitFor(() => watched.heard.find((each) => each.name === name), { what: `the word of ${name}` });
const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString();

describe('the word of a committed result', () => {
  it('comes without its body, which is read where somebody wants it', async () => {
    const watched = await watchResults();
    await commit('headers-1', 'x'.repeat(5_000), { 'Content-Type': 'application/x-protobuf' });
    const notice = await until(watched, 'acme/headers-1');
    expect(notice).toMatchObject({ bodyBytes: 5_000, format: 'protobuf' });
    expect(notice.body).toBeUndefined();
    const read = await watched.store.readNoticed(taskOf('headers-1'), notice.place);
    expect(read).toMatchObject({ format: 'protobuf', place: notice.place });
    expect(read?.body).toHaveLength(5_000);
    await watched.store.forget(notice.place);
    expect(await watched.store.readNoticed(taskOf('headers-1'), notice.place)).toBeUndefined();
  });

  it('brings its body while bodies are wanted, and changes without losing or repeating one', async () => {
    const watched = await watchResults();
    const names: string[] = [];
    const changes = (): number =>
      watched.heard.filter(({ body }, n) => {
        const before = watched.heard[n - 1];
        return before !== undefined && (before.body === undefined) !== (body === undefined);
      }).length;
    const endMs = performance.now() + 30_000;
    while (changes() < 3 && performance.now() < endMs) {
      watched.wants = changes() % 2 === 0;
      const many = Array.from({ length: 20 }, (_, n) => `change-${names.length + n}`);
      names.push(...many.map((task) => `acme/${task}`));
      await Promise.all(many.map((task) => commit(task, `body of ${task}`)));
    }
    expect(changes()).toBe(3);
    await until(watched, names.at(-1) ?? '');
    expect(watched.heard.map(({ name }) => name)).toEqual(names);
    for (const { name, body, bodyBytes } of watched.heard) {
      const expected = `body of ${name.slice('acme/'.length)}`;
      expect([body === undefined ? expected : text(body), bodyBytes]).toEqual([
        expected,
        expected.length,
      ]);
    }
  });

  it('is brought by one consumer, however often it changed: the former ones are deleted', async () => {
    const manager = await connection.jetstreamManager(PATIENT);
    const names = async (): Promise<string[]> =>
      (await manager.consumers.list(STREAMS.results).next()).map(({ name }) => name);
    const others = await names();
    const watched = await watchResults();
    for (let change = 1; change <= 3; change += 1) {
      watched.wants = !watched.wants;
      let tries = 0;
      await waitFor(
        async () => {
          tries += 1;
          await commit(`changed-${change}-${tries}`);
          const { body } = await until(watched, `acme/changed-${change}-${tries}`);
          return (body !== undefined) === watched.wants;
        },
        { what: `change ${change}` },
      );
    }
    const what = 'the former consumers to be deleted';
    const own = async (): Promise<string[]> =>
      (await names()).filter((name) => !others.includes(name));
    // Long before they would expire.
    await waitFor(async () => (await own()).length === 1, { what, limitMs: 5_000 });
  });

  it('does not come for a commit that lost', async () => {
    const watched = await watchResults();
    watched.wants = true;
    const commits = Array.from({ length: 20 }, (_, n) => commit('raced-1', `result ${n}`));
    const outcomes = await Promise.allSettled(commits);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await commit('raced-2');
    await until(watched, 'acme/raced-2');
    expect(watched.heard.filter(({ name }) => name === 'acme/raced-1')).toHaveLength(1);
  });

  it('is told of answers as of results, each with the stream that has it', async () => {
    const watched = await watchResults();
    await connection.jetstream(PATIENT).publish(subjects.answer(taskOf('short-1')), 'answer');
    const { place } = await until(watched, 'acme/short-1');
    expect(place.stream).toBe(STREAMS.answers);
    expect(text((await watched.store.readNoticed(taskOf('short-1'), place))?.body)).toBe('answer');
  });

  it('comes after a server that was killed has come back', async () => {
    const watched = await watchResults();
    await commit('before-1');
    await until(watched, 'acme/before-1');
    await nats.kill();
    await nats.restart();
    await waitFor(() => connection.rtt().then(() => true), { what: 'the server to answer again' });
    await commit('after-1');
    await until(watched, 'acme/after-1');
    await commit('after-2');
    await until(watched, 'acme/after-2');
    const names = watched.heard.map(({ name }) => name);
    expect(names).toEqual(['acme/before-1', 'acme/after-1', 'acme/after-2']);
  });
});

describe('hostile bytes among the results', () => {
  it('stop nothing: headers that can’t be read, a subject of no task, a size that is a lie', async () => {
    const watched = await watchResults();
    const subject = subjects.result(taskOf('unreadable-1'));
    await publishUnreadable({ url: nats.url, subject, body: 'x'.repeat(100) });
    await connection.jetstream(PATIENT).publish('llmos.v1.result.acme.b%d', 'no task');
    await commit('liar-1', 'honest', { 'Nats-Msg-Size': '999999999' });
    await commit('liar-2', 'honest', { 'Llmos-Refused': '-1e99', 'Llmos-Digest': '\u{1F608}' });
    await until(watched, 'acme/liar-2');
    expect(watched.heard.map(({ name, bodyBytes }) => [name, bodyBytes])).toEqual([
      ['acme/unreadable-1', expect.any(Number)],
      ['acme/liar-1', 6],
      ['acme/liar-2', 6],
    ]);
    const [unreadable] = watched.heard;
    const read = await watched.store.readNoticed(
      taskOf('unreadable-1'),
      unreadable?.place ?? { stream: '', sequence: 0 },
    );
    expect(read).toMatchObject({ format: 'json' });
  });

  it('count as what they weigh, whatever their headers say', async () => {
    const { store } = await watchResults();
    const before = (await store.countShares(STREAMS.results)).get(asToken('acme'))?.bytes ?? 0;
    await commit('liar-3', 'x'.repeat(1_000), { 'Nats-Msg-Size': '999999999' });
    const after = (await store.countShares(STREAMS.results)).get(asToken('acme'))?.bytes ?? 0;
    expect(after - before).toBeGreaterThanOrEqual(1_000);
    expect(after - before).toBeLessThan(2_000);
  });
});

it('hears of a stream that was made anew, though its sequences begin again', async () => {
  const watched = await watchResults();
  for (const task of ['old-1', 'old-2', 'old-3']) await commit(task);
  await until(watched, 'acme/old-3');
  const manager = await connection.jetstreamManager(PATIENT);
  await manager.streams.delete(STREAMS.results);
  await makeStream(STREAMS.results, patterns.results);
  let n = 0;
  await waitFor(
    async () => {
      await commit(`new-${(n += 1)}`);
      return watched.heard.some(({ name }) => name === `acme/new-${n - 1}`);
    },
    { what: 'the word of a result in the new stream', everyMs: 200, limitMs: 25_000 },
  );
});

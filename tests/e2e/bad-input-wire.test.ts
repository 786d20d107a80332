/** Hostile tokens in every place of every subject and header, over plain sockets where need be. */
import { HEADERS, STREAMS, TASK_CLASSES } from '@llmos/base';
import type { JetStreamManager } from 'nats';
import { headers as newHeaders } from 'nats';
import type { BadRequest, Requester } from '../support/bad-input';
import { openRequester } from '../support/bad-input';
import { openLedger } from '../support/ledger';
import type { Ledger } from '../support/ledger';
import { PATIENT } from '../support/nats-server';
import { rawPublish } from '../support/raw-nats';
import type { TestSystem } from '../support/test-system';
import { startTestSystem } from '../support/test-system';
import { waitFor } from '../support/wait-for';

let system: TestSystem;
let requester: Requester;
let ledger: Ledger;
let manager: JetStreamManager;

beforeAll(async () => {
  system = await startTestSystem({ models: ['mini-encoder'] });
  requester = await openRequester(system);
  ledger = await openLedger(system.nats.url);
  manager = await requester.connection.jetstreamManager(PATIENT);
});
afterAll(async () => {
  await ledger?.close();
  await requester?.close();
  await system?.stop();
});

const INVALID = 'INVALID_ARGUMENT';
const LONG = 'x'.repeat(5_000);

/** Every header that is read, and none that is only passed on. */
const READ_HEADERS = [
  HEADERS.id,
  HEADERS.model,
  HEADERS.priority,
  HEADERS.timeoutMs,
  HEADERS.deadline,
  HEADERS.key,
  HEADERS.maxAttempts,
  HEADERS.stream,
  HEADERS.parent,
  HEADERS.root,
  HEADERS.class,
  HEADERS.contentType,
] as const;

describe.each(['call', 'submit'] as const)('%s', (kind) => {
  it.each(READ_HEADERS)(
    'refuses hostile values of %s by name, and shows them cut',
    async (name) => {
      for (const value of ['a b', '*', '>', 'a\tb', '../x', LONG]) {
        await requester.expectRefusal({
          name,
          subject: `${kind}.default.echo`,
          body: 1,
          headers: { [name]: value },
          code: INVALID,
          message: new RegExp(`^header ${name} is ${quoted(value)}: it must `),
        });
      }
    },
  );

  const values: readonly (readonly [string, string, RegExp])[] = [
    [HEADERS.id, 's12', /s<number> is the id of a task without one/],
    [HEADERS.priority, '-1', /integer from 0 to 9/],
    [HEADERS.priority, '10', /integer from 0 to 9/],
    [HEADERS.priority, '1.5', /integer from 0 to 9/],
    [HEADERS.timeoutMs, '0', /integer from 1 to 43200000/],
    [HEADERS.timeoutMs, '43200001', /integer from 1 to 43200000/],
    [HEADERS.timeoutMs, '1e3', /integer from 1 to 43200000/],
    [HEADERS.deadline, 'tomorrow', /RFC 3339 or milliseconds/],
    [HEADERS.deadline, '2026-13-45T00:00:00Z', /RFC 3339 or milliseconds/],
    [HEADERS.deadline, 'NaN', /RFC 3339 or milliseconds/],
    [HEADERS.maxAttempts, '0', /integer from 1 to 100/],
    [HEADERS.maxAttempts, '101', /integer from 1 to 100/],
    [HEADERS.stream, 'yes', /true or false/],
    [HEADERS.class, 'vip', /interactive, standard or batch/],
    [HEADERS.model, 'm@', /NAME or NAME@VERSION/],
    [HEADERS.contentType, 'text/html', /application\/json or application\/x-protobuf/],
  ];
  it.each(values)('refuses %s: %s', async (name, value, message) => {
    const headers = { [name]: value };
    const bad = {
      name,
      subject: `${kind}.default.echo`,
      body: 1,
      headers,
      code: INVALID,
      message,
    };
    await requester.expectRefusal(bad as BadRequest);
  });

  it('refuses tokens of a subject that are none', async () => {
    for (const subject of ['d@fault.echo', 'default.ec$ho', '*.echo', `${'x'.repeat(65)}.echo`]) {
      const message = /^subject "llmos\.v1\..*": tenant and function must match/;
      const bad = { name: '', subject: `${kind}.${subject}`, body: 1, code: INVALID, message };
      await requester.expectRefusal(bad as BadRequest);
    }
  });

  it('knows no function, model or version by another name', async () => {
    const body = { text: 'a' };
    const cases: readonly [string, unknown, RegExp][] = [
      ['nothing', body, /no function "nothing"; there are echo, embed/],
      ['__proto__', body, /no function "__proto__"/],
      ['embed', { ...body, model: 'nobody' }, /nobody/],
      ['embed', { ...body, model: 'mini-encoder@77' }, /mini-encoder@77/],
    ];
    for (const [of, input, message] of cases) {
      // A submit is answered before the model is looked for; its result says the same.
      const isAnswered = kind === 'call' || of !== 'embed';
      const code = 'NOT_FOUND';
      if (isAnswered) {
        const subject = `${kind}.default.${of}`;
        await requester.expectRefusal({ name: of, subject, body: input, code, message });
      }
    }
  });
});

it('does not start what is over already, and says so', async () => {
  for (const past of ['1000', '2020-01-01T00:00:00Z', '2020-01-01T00:00:00.5+02:00']) {
    const headers = { [HEADERS.deadline]: past };
    const answer = await requester.ask('call.default.echo', 1, { headers });
    expect(answer).toMatchObject({ ok: false, error: { code: 'DEADLINE_EXCEEDED' } });
    await requester.expectStillGood();
  }
});

it('passes over a trace context that is broken', async () => {
  const headers = { traceparent: 'not a trace context' };
  const answer = await requester.ask('call.default.echo', 1, { headers });
  expect(answer).toEqual({ ok: true, output: 1 });
});

describe('a published task', () => {
  /** The error that a task without an id ended with. */
  async function errorOf(publish: () => Promise<unknown>): Promise<unknown> {
    const lastSequence = async (): Promise<number> =>
      (await manager.streams.info(STREAMS.tasks)).state.last_seq;
    const before = await lastSequence();
    await publish();
    // What no one acknowledges is stored a moment later.
    const sequence = await waitFor(
      async () => {
        const last = await lastSequence();
        return last > before && last;
      },
      { what: 'the task to be stored' },
    );
    const subject = `llmos.v1.result.default.s${sequence}`;
    const stored = await waitFor(
      () => manager.streams.getMessage(STREAMS.results, { last_by_subj: subject }),
      { what: `a result on ${subject}` },
    );
    return stored.json<{ error?: unknown }>().error;
  }
  function publish(body: string | Uint8Array, of: Record<string, string> = {}): Promise<unknown> {
    const own = newHeaders();
    for (const [name, value] of Object.entries(of)) own.set(name, value);
    const subject = 'llmos.v1.task.standard.default.embed';
    return requester.connection.jetstream(PATIENT).publish(subject, body, { headers: own });
  }
  function publishRaw(head: string): Promise<unknown> {
    const bytes = Buffer.from(`${head}\r\n\r\n1`, 'latin1');
    return rawPublish({
      url: system.nats.url,
      subject: 'llmos.v1.task.standard.default.echo',
      headerBytes: bytes.length - 1,
      bytes,
    });
  }
  function invalid(message: RegExp): unknown {
    return { code: INVALID, retryable: false, message: expect.stringMatching(message) as unknown };
  }

  it('that can’t be read ends in the error, under its sequence', async () => {
    const deep = `{"model":${'['.repeat(20_000)}${']'.repeat(20_000)}}`;
    expect(await errorOf(() => publish('{'))).toEqual(invalid(/not JSON: "\{"/));
    expect(await errorOf(() => publish(''))).toEqual(invalid(/empty/));
    expect(await errorOf(() => publish(deep))).toEqual(invalid(/model is a list too deep/));
    expect(await errorOf(() => publish('{"model":"a b"}'))).toEqual(invalid(/model is "a b"/));
    const longId = { 'Llmos-Id': 'y'.repeat(5_000) };
    expect(await errorOf(() => publish('{}', longId))).toEqual(invalid(/^header Llmos-Id is "yyy/));
    const unknown = await errorOf(() => publish('{"model":"nobody","text":"a"}'));
    expect(unknown).toMatchObject({ code: 'NOT_FOUND', retryable: false });
    await requester.expectStillGood();
  });

  it('with line breaks and other bytes in its headers hurts nobody', async () => {
    const cases: readonly [string, unknown][] = [
      ['NATS/1.0\r\nLlmos-Priority: 5\rPUB x 0', invalid(/headers of the message can’t be read/)],
      ['NATS/1.0\r\nLlmos-Id: a\nLlmos-Priority: 77', invalid(/Llmos-Id is|can’t be read/)],
      ['NATS/1.0\r\nLlmos-Model: \u0000\u0001', invalid(/Llmos-Model is/)],
      ['NATS/1.0\r\nLlmos-Key: \u00e9', invalid(/Llmos-Key is/)],
      ['NATS/1.0\r\nBad Name: 1', invalid(/headers of the message can’t be read/)],
      [`NATS/1.0\r\nLlmos-Key: ${LONG}`, invalid(/Llmos-Key is "xxx/)],
    ];
    for (const [head, error] of cases) {
      expect(await errorOf(() => publishRaw(head))).toEqual(error);
    }
    await requester.expectStillGood();
  });

  it('on a subject that no result can have is dropped, and the queue empties', async () => {
    const own = requester.connection.jetstream(PATIENT);
    for (const taskClass of TASK_CLASSES) {
      const start = `llmos.v1.task.${taskClass}`;
      await own.publish(`${start}.d@fault.echo`, '1');
      const refusal = invalid(/^function "ec\$ho" must match/);
      expect(await errorOf(() => own.publish(`${start}.default.ec$ho`, '1'))).toEqual(refusal);
    }
    await waitFor(async () => (await ledger.countOf(STREAMS.tasks)) === 0, {
      what: 'the queue to be empty',
    });
    await requester.expectStillGood();
  });

  it('on a subject of another shape is refused at publish', async () => {
    const own = requester.connection.jetstream(PATIENT);
    for (const subject of ['task.urgent.default.echo', 'task.batch.echo', 'task.batch.a.b.c']) {
      await expect(own.publish(`llmos.v1.${subject}`, '1')).rejects.toMatchObject({ code: '503' });
    }
    await requester.expectStillGood();
  });
});

describe('subjects that forge commands', () => {
  const places = [
    (token: string) => `llmos.v1.task.standard.${token}.echo`,
    (token: string) => `llmos.v1.task.${token}.default.echo`,
    (token: string) => `llmos.v1.submit.default.${token}`,
    (token: string) => `llmos.v1.call.${token}.echo`,
    (token: string) => `llmos.v1.sys.default.${token}`,
    (token: string) => `llmos.v1.cancel.${token}.a`,
    (token: string) => `llmos.v1.result.default.${token}`,
    (token: string) => `llmos.v1.stream.default.${token}`,
    (token: string) => `llmos.v1.report.${token}.p1`,
    (token: string) => `llmos.v1.mailbox.node-1.${token}`,
  ];
  const tokens = ['a b', 'a\r\nPUB x 0\r\n\r\n', '*', '>', '', LONG, '\u0000', 'é'];

  async function waitingSubjects(): Promise<readonly string[]> {
    const { state } = await manager.streams.info(STREAMS.tasks, { subjects_filter: '>' });
    return Object.keys(state.subjects ?? {});
  }

  it('end with the socket that sent them, if at all', async () => {
    const bytes = Buffer.from('NATS/1.0\r\n\r\n1');
    for (const place of places) {
      for (const token of tokens) {
        const of = { url: system.nats.url, subject: place(token), headerBytes: 12, bytes };
        // Most are taken for another command, which the server refuses; none may hurt.
        await rawPublish(of).catch(() => undefined);
      }
    }
    await requester.expectStillGood();
    expect(await system.os.echo('through the library')).toBe('through the library');
    // The server stores a subject with `>` in its middle, but gives it to no consumer.
    const isLeft = (subject: string): boolean => !subject.split('.').includes('>');
    await waitFor(async () => !(await waitingSubjects()).some(isLeft), {
      what: 'the queue to be empty',
    });
    await manager.streams.purge(STREAMS.tasks);
  });

  it('are refused by the library before they are sent', async () => {
    const { os } = system;
    for (const token of ['a b', 'a\r\nPUB x 0', '*', '>', '', LONG]) {
      const invalid = { code: INVALID };
      await expect(os.submit(token, 1)).rejects.toMatchObject(invalid);
      await expect(os.submit('echo', 1, { id: token })).rejects.toMatchObject(invalid);
      await expect(os.submit('echo', 1, { key: token })).rejects.toMatchObject(invalid);
      await expect(system.connectAs(token)).rejects.toMatchObject(invalid);
      expect(() => os.task(token)).toThrow();
    }
    expect(await os.echo(1)).toBe(1);
  });
});

it('answers no reply subject but an inbox', async () => {
  const { connection } = requester;
  const before = (await manager.streams.info(STREAMS.tasks)).state.last_seq;
  const targets = [
    'llmos.v1.task.standard.default.echo',
    '$JS.API.STREAM.PURGE.LLMOS_TASKS',
    'llmos.v1.deliver.default.me',
    '_INBOXES.me',
  ];
  const seen: string[] = [];
  for (const reply of targets) {
    connection.subscribe(reply, { callback: (_error, msg) => seen.push(msg.subject) });
    for (const subject of ['call.default.nothing', 'submit.default.nothing', 'sys.default.info']) {
      connection.publish(`llmos.v1.${subject}`, '{}', { reply });
    }
  }
  await connection.flush();
  await requester.expectStillGood();
  expect(seen).toEqual([]);
  // One task: the good one.
  expect((await manager.streams.info(STREAMS.tasks)).state.last_seq).toBe(before + 1);
});

describe('system calls', () => {
  const cases: readonly (readonly [string, unknown, string, RegExp])[] = [
    ['default.reboot', {}, 'UNIMPLEMENTED', /no system call "reboot"; there are ps/],
    ['default.ps', Buffer.from('{'), INVALID, /request of ps is not JSON/],
    ['default.ps', { all: true }, INVALID, /request of ps: unknown field "all"/],
    ['default.status', { task: 'a b' }, INVALID, /task must match pattern.*"a b"/],
    ['default.status', {}, INVALID, /needs the field "task"/],
    ['default.spawn', { model: 'nobody', replicas: 1 }, 'NOT_FOUND', /no model "nobody"/],
    ['default.spawn', { model: 'echo', replicas: -1 }, INVALID, /replicas must be >= 0, not -1/],
    ['default.spawn', { model: 'echo', replicas: 1e9 }, INVALID, /replicas must be <= 256/],
    ['default.kill', { pid: 'p-none' }, 'NOT_FOUND', /no process "p-none"/],
    ['acme.kill', { pid: 'p-none' }, 'PERMISSION_DENIED', /only an operator may call kill.*"acme"/],
    ['default.model-remove', { model: 'nobody' }, 'NOT_FOUND', /no model "nobody"/],
    ['d@fault.ps', {}, INVALID, /subject "llmos.v1.sys.d@fault.ps" names no call/],
  ];
  it.each(cases)('%s %j', async (call, body, code, message) => {
    const bad = { name: call, subject: `sys.${call}`, body, code, message };
    await requester.expectRefusal(bad as BadRequest);
  });
});

function quoted(value: string): string {
  const shown = value.length > 80 ? `"${value.slice(0, 80)}…"` : JSON.stringify(value);
  return shown.replace(/[\\*.+?^${}()|[\]]/g, '\\$&');
}

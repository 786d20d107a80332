import type { FunctionName, TenantId } from '@llmos/base';
import { BUILT_IN_FUNCTIONS, HEADERS, WIRE_LIMITS } from '@llmos/base';
import type { ForeignTask, IntakeContext } from './task-intake';
import { readTask, refuseSubject } from './task-intake';

const context: IntakeContext = {
  functionOf: (name) => BUILT_IN_FUNCTIONS.find((definition) => definition.name === name),
  readProtobuf: (_name, body) => {
    if (body[0] === 0xff) throw new Error('no protobuf');
    return { model: 'from-proto' };
  },
  maxBodyBytes: 200_000,
};

function task(of: {
  readonly function?: string;
  readonly body?: string | Uint8Array;
  readonly headers?: Record<string, string>;
}): ForeignTask {
  const headers = of.headers ?? {};
  const body = of.body ?? '1';
  return {
    subject: {
      class: 'standard',
      tenant: 'acme' as TenantId,
      function: (of.function ?? 'echo') as FunctionName,
    },
    sequence: 41,
    storedWallMs: 1_000_000,
    header: (name) => headers[name],
    areHeadersReadable: true,
    body: typeof body === 'string' ? new TextEncoder().encode(body) : body,
  };
}

function read(of: Parameters<typeof task>[0]) {
  return readTask(task(of), context);
}

function refusal(of: Parameters<typeof task>[0]): string {
  const event = read(of);
  expect(event.kind).toBe('task-malformed');
  return event.kind === 'task-malformed' ? `${event.spec.id}: ${event.error.message}` : '';
}

it('reads a task with no header at all', () => {
  const event = read({ function: 'embed', body: '{"model":"mini@2","text":"a"}' });
  expect(event).toMatchObject({
    kind: 'task-stored',
    spec: {
      id: 's41',
      hasOwnId: false,
      tenant: 'acme',
      class: 'standard',
      priority: 5,
      hasOwnPriority: false,
      sequence: 41,
      model: { name: 'mini', version: '2' },
    },
  });
});

it('takes the earlier of deadline and timeout, from when the task was stored', () => {
  const headers = { [HEADERS.timeoutMs]: '5000', [HEADERS.deadline]: '1009000' };
  expect(read({ headers }).spec.deadlineWallMs).toBe(1_005_000);
  headers[HEADERS.deadline] = '1002000';
  expect(read({ headers }).spec.deadlineWallMs).toBe(1_002_000);
});

it('reads a key of the body only where the function has one', () => {
  const body = '{"model":"vad","inputs":{},"key":"mic-1"}';
  expect(read({ function: 'infer', body }).spec.key).toBe('mic-1');
  expect(read({ function: 'echo', body }).spec.key).toBeUndefined();
});

it('lets the header name the model, and refuses two that differ', () => {
  const headers = { [HEADERS.model]: 'mini' };
  const named = read({ function: 'embed', body: '{"model":"mini@2","text":"a"}', headers });
  expect(named.spec.model).toEqual({ name: 'mini', version: '2' });
  const wrong = { function: 'embed', body: '{"model":"maxi","text":"a"}', headers };
  expect(refusal(wrong)).toMatch(/mini.*maxi/);
});

it('reads the model of a protobuf body', () => {
  const headers = { [HEADERS.contentType]: 'application/x-protobuf' };
  const spec = read({ function: 'embed', body: 'x', headers }).spec;
  expect([spec.format, spec.model]).toEqual(['protobuf', { name: 'from-proto' }]);
  const bad = { function: 'embed', body: new Uint8Array([0xff]), headers };
  expect(refusal(bad)).toMatch(/protobuf/);
});

it('parses no more of a body than it must', () => {
  const body = `{"text":"${'x'.repeat(WIRE_LIMITS.kernelParseBytes)}`;
  expect(refusal({ function: 'embed', body })).toMatch(/Llmos-Model/);
  const headers = { [HEADERS.model]: 'mini' };
  expect(read({ function: 'embed', body, headers }).kind).toBe('task-stored');
  expect(read({ function: 'echo', body }).kind).toBe('task-stored');
});

it.each([
  ['s41', { headers: { [HEADERS.id]: 'a b' } }, /Llmos-Id/],
  ['s41', { headers: { [HEADERS.id]: 'mine', [HEADERS.key]: 'a.b' } }, /Llmos-Key/],
  ['s41', { headers: { [HEADERS.id]: 's7' } }, /s7/],
  ['mine', { headers: { [HEADERS.id]: 'mine', [HEADERS.priority]: '12' } }, /12/],
  ['mine', { headers: { [HEADERS.id]: 'mine' }, body: '{' }, /not JSON/],
  ['s41', { body: '' }, /empty/],
  ['s41', { body: new Uint8Array([0xff, 0xfe]) }, /not JSON/],
  ['s41', { body: 'x'.repeat(200_001) }, /200001.*200000/],
  ['s41', { function: 'embed', body: '{"model":5,"text":"a"}' }, /model is .?5/],
])('ends what it can’t read under %s', (id, of, message) => {
  const text = refusal(of);
  expect(text.startsWith(`${id}: `)).toBe(true);
  expect(text).toMatch(message);
});

it('knows what a task stands for that it can’t read, so that another of its id is told apart', () => {
  const headers = { [HEADERS.id]: 'mine', [HEADERS.model]: 'mini@2' };
  const { spec } = read({ headers });
  const digests = ['1', '2'].map((body) => {
    const bad = read({ headers: { ...headers, [HEADERS.priority]: 'many' }, body });
    expect(bad).toMatchObject({ kind: 'task-malformed', spec: { id: 'mine' } });
    return bad.spec.digest;
  });
  expect(digests[0]).toBe(spec.digest);
  expect(digests[1]).not.toBe(spec.digest);
});

it('ends a task whose headers can’t be decoded', () => {
  const event = readTask({ ...task({}), areHeadersReadable: false }, context);
  expect(event).toMatchObject({ kind: 'task-malformed', spec: { id: 's41' } });
});

it('ends a task that it fails to read by its own mistake, as INTERNAL', () => {
  const broken: IntakeContext = {
    ...context,
    functionOf: () => {
      throw new Error('a mistake');
    },
  };
  expect(readTask(task({ headers: { [HEADERS.id]: 'mine' } }), broken)).toMatchObject({
    kind: 'task-malformed',
    spec: { id: 's41', tenant: 'acme', sequence: 41 },
    error: { code: 'INTERNAL', message: expect.stringContaining('a mistake') as string },
  });
});

it('ends a task whose function is no token, where its tenant can be named', () => {
  const of = (subject: string) => refuseSubject({ subject, sequence: 7, storedWallMs: 1 });
  expect(of('llmos.v1.task.batch.acme.ec$ho')).toMatchObject({
    kind: 'task-malformed',
    spec: { id: 's7', tenant: 'acme', class: 'batch', sequence: 7 },
    error: { code: 'INVALID_ARGUMENT', message: 'function "ec$ho" must match [A-Za-z0-9_-]{1,64}' },
  });
  expect(of('llmos.v1.task.batch.a$b.echo')).toBeUndefined();
});

import type { PageRequest, TaskId, TenantId } from '@llmos/base';
import { decodeJson, encodeJson, errorBody, failure, seededRandom, success } from '@llmos/base';
import { manualClock } from '@llmos/base/testing';
import type { ClientContext } from './client-context';
import { listAll } from './system-lists';
import { createMemoryLink, memoryMessage } from './testing';

/** A kernel whose answers to a list the test gives, by the request. */
function setUp(answer: (request: PageRequest) => unknown) {
  const clock = manualClock();
  const link = createMemoryLink((message) => {
    clock.advance(1);
    const output = answer(decodeJson(message.body) as PageRequest);
    const result = output instanceof Error ? failure(errorBody('NOT_FOUND', 'x')) : success(output);
    return { kind: 'answered', message: memoryMessage('reply', encodeJson(result)) };
  });
  const context: ClientContext = {
    tenant: 't' as TenantId,
    principal: 't' as TenantId,
    callerId: () => undefined,
    timeoutMs: 10_000,
    link,
    stored: {
      readLast: async () => ({ kind: 'absent' }),
      readNext: async () => ({ kind: 'absent' }),
      readStream: async () => ({ kind: 'absent' }),
      remove: async () => ({ kind: 'absent' }),
      purge: async () => ({ kind: 'purged', removed: 0 }),
    },
    clock,
    random: seededRandom(1),
    createDoorbell: () => ({ ring: () => undefined, wait: async () => Promise.resolve() }),
    newTaskId: () => 'id' as TaskId,
  };
  const requests = (): unknown[] => link.sent.map((message) => decodeJson(message.body));
  return { context, requests };
}

const LIST = { call: 'models', field: 'models' } as const;

it('follows the tokens to the end', async () => {
  const pages: Record<string, unknown> = {
    '': { models: [1, 2], nextPageToken: 'b' },
    b: { models: [], nextPageToken: 'c' },
    c: { models: [3] },
  };
  const { context, requests } = setUp((request) => pages[request.pageToken ?? '']);
  expect(await listAll(context, LIST)).toEqual([1, 2, 3]);
  expect(requests()).toEqual([{}, { pageToken: 'b' }, { pageToken: 'c' }]);
});

it('asks once, as before, where the kernel gives no token', async () => {
  const { context, requests } = setUp(() => ({ models: [1] }));
  expect(await listAll(context, LIST)).toEqual([1]);
  expect(requests()).toEqual([{}]);
});

it('repeats what the call takes in each page', async () => {
  const list = { call: 'model-remove', field: 'removed', request: { model: 'm' } } as const;
  const { context, requests } = setUp(({ pageToken }) =>
    pageToken === undefined ? { removed: ['m@1'], nextPageToken: 'x' } : { removed: ['m@2'] },
  );
  expect(await listAll(context, list)).toEqual(['m@1', 'm@2']);
  expect(requests()).toEqual([{ model: 'm' }, { model: 'm', pageToken: 'x' }]);
});

const strange: [string, unknown][] = [
  ['no list', { models: 7 }],
  ['a token that is no text', { models: [], nextPageToken: 7 }],
  ['the same token for ever', { models: [1], nextPageToken: 'same' }],
];
it.each(strange)('gives up on %s', async (_name, answer) => {
  const { context } = setUp(() => answer);
  await expect(listAll(context, LIST)).rejects.toMatchObject({ code: 'INTERNAL' });
});

it('ends in time where tokens never end', async () => {
  let count = 0;
  const { context } = setUp(() => ({ models: [], nextPageToken: String((count += 1)) }));
  const listing = listAll(context, LIST, { timeoutMs: 1_000 });
  await expect(listing).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
});

it('holds a bounded number of rows', async () => {
  let count = 0;
  const models = Array.from({ length: 40_000 }, () => 0);
  const { context } = setUp(() => ({ models, nextPageToken: String((count += 1)) }));
  await expect(listAll(context, LIST)).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
});

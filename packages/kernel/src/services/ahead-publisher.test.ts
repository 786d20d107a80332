import type { FunctionName, TenantId } from '@llmos/base';
import { errorBody } from '@llmos/base';
import { termsOf } from '@llmos/base/testing';
import type { Leader, TaskToStore } from './ahead-publisher';
import { AheadPublisher } from './ahead-publisher';

const task: TaskToStore = {
  subject: { class: 'batch', tenant: 'acme' as TenantId, function: 'echo' as FunctionName },
  terms: termsOf(),
  body: new Uint8Array(1),
};

function setUp(refusalOf: Leader['refusalOf'] = () => undefined) {
  const stored: TaskToStore[] = [];
  const told: number[] = [];
  let isLeading = true;
  const inner = {
    maxBodyBytes: () => 100,
    publish: (one: TaskToStore) => Promise.resolve({ sequence: stored.push(one) }),
  };
  const leader: Leader = {
    refusalOf,
    takeInAhead: ({ sequence }) => void told.push(sequence),
  };
  const publisher = new AheadPublisher(inner, () => (isLeading ? leader : undefined));
  return { publisher, stored, told, follow: () => void (isLeading = false) };
}

it('tells the leader what was stored, under its number', async () => {
  const { publisher, told } = setUp();
  expect(await publisher.publish(task)).toEqual({ sequence: 1 });
  expect(told).toEqual([1]);
});

it('stores nothing that the leader would refuse', async () => {
  const { publisher, stored } = setUp(() => errorBody('RESOURCE_EXHAUSTED', 'full'));
  await expect(publisher.publish(task)).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
  expect(stored).toEqual([]);
});

it('stores all the same where this kernel does not lead', async () => {
  const { publisher, told, follow } = setUp(() => errorBody('RESOURCE_EXHAUSTED', 'full'));
  follow();
  expect(await publisher.publish(task)).toEqual({ sequence: 1 });
  expect(told).toEqual([]);
});

it('tells nobody where this kernel leads no longer when it is stored', async () => {
  const { publisher, told, follow } = setUp();
  const publishing = publisher.publish(task);
  follow();
  expect(await publishing).toEqual({ sequence: 1 });
  expect(told).toEqual([]);
});

import type { FunctionName, TenantId } from '@llmos/base';
import { asToken } from '@llmos/base';
import { termsOf } from '@llmos/base/testing';
import type { StoredTask, TaskPublisher } from '../ports/task-publisher';
import { FairPublisher } from './fair-publisher';

const LIMITS = {
  maxPublishes: 4,
  maxPublishesPerTenant: 3,
  maxPublishBytes: 10_000,
  maxTenantPublishBytes: 5_000,
  maxWaitingPublishes: 8,
  maxWaitingPerTenant: 5,
  maxWaitingBytes: 100,
  maxTenantWaitingBytes: 60,
  retryAfterMs: 1_000,
};

function taskOf(tenant: string, bytes = 1): Parameters<TaskPublisher['publish']>[0] {
  return {
    subject: {
      class: 'interactive',
      tenant: asToken<TenantId>(tenant),
      function: asToken<FunctionName>('echo'),
    },
    terms: termsOf(),
    body: new Uint8Array(bytes),
  };
}

/** A store that answers when told. */
function slowStore() {
  const asked: string[] = [];
  const answers: { resolve: (stored: StoredTask) => void; reject: (error: Error) => void }[] = [];
  const inner: TaskPublisher = {
    maxBodyBytes: () => 1,
    publish: ({ subject }) => {
      asked.push(subject.tenant);
      return new Promise((resolve, reject) => answers.push({ resolve, reject }));
    },
  };
  return { asked, answers, publisher: new FairPublisher(inner, LIMITS) };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('stores a bounded number of one tenant at a time, and another one’s next to them', () => {
  const { asked, publisher } = slowStore();
  for (let index = 0; index < 6; index += 1) void publisher.publish(taskOf('flood'));
  expect(asked).toEqual(['flood', 'flood', 'flood']);
  void publisher.publish(taskOf('other'));
  expect(asked).toEqual(['flood', 'flood', 'flood', 'other']);
});

it('lets tenants that wait take turns, and keeps each one’s order', async () => {
  const { asked, answers, publisher } = slowStore();
  for (let index = 0; index < 6; index += 1) void publisher.publish(taskOf('flood'));
  void publisher.publish(taskOf('other'));
  void publisher.publish(taskOf('other'));
  void publisher.publish(taskOf('third'));
  for (let index = 0; index < 4; index += 1) {
    answers[index]?.resolve({ sequence: index + 1 });
    await turn();
  }
  expect(asked.slice(4)).toEqual(['flood', 'other', 'third', 'flood']);
});

it('tells who is beyond the bounds at once, with a hint, and serves others meanwhile', () => {
  const { publisher } = slowStore();
  for (let index = 0; index < 8; index += 1) void publisher.publish(taskOf('flood'));
  expect(() => publisher.publish(taskOf('flood'))).toThrow(
    expect.objectContaining({ code: 'RESOURCE_EXHAUSTED', details: { retryAfterMs: 1_000 } }),
  );
  void publisher.publish(taskOf('other'));
  expect(() => publisher.publish(taskOf('other', 1_000))).toThrow(/wait to be stored/);
});

it('has a bounded number of bytes on their way', async () => {
  const { asked, answers, publisher } = slowStore();
  const large = taskOf('flood', 5_000);
  void publisher.publish(large);
  void publisher.publish(taskOf('flood'));
  expect(asked).toEqual(['flood']);
  void publisher.publish(taskOf('other', 5_000));
  void publisher.publish(taskOf('third'));
  expect(asked).toEqual(['flood', 'other']);
  answers[0]?.resolve({ sequence: 1 });
  await turn();
  expect(asked).toEqual(['flood', 'other', 'flood', 'third']);
  expect(() => publisher.publish({ ...large, subject: taskOf('other').subject })).toThrow(
    /wait to be stored/,
  );
});

it('leaves others room in bytes, and knows which went', async () => {
  const { answers, publisher } = slowStore();
  for (let index = 0; index < 3; index += 1) void publisher.publish(taskOf('flood'));
  void publisher.publish(taskOf('flood', 60));
  expect(() => publisher.publish(taskOf('flood', 1))).toThrow(/wait to be stored/);
  void publisher.publish(taskOf('other'));
  void publisher.publish(taskOf('other', 40));
  expect(() => publisher.publish(taskOf('other', 1))).toThrow(/wait to be stored/);
  answers[0]?.resolve({ sequence: 1 });
  await turn();
  void publisher.publish(taskOf('flood', 60));
});

it('refuses what waits once there is no time for it, and forgets its bytes', async () => {
  const { asked, answers, publisher } = slowStore();
  for (let index = 0; index < 3; index += 1) void publisher.publish(taskOf('flood'));
  const waiting = publisher.publish(taskOf('flood', 60));
  publisher.refuseRest();
  await expect(waiting).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
  const idle = publisher.idle();
  answers.forEach(({ resolve }) => resolve({ sequence: 1 }));
  await idle;
  expect(asked).toHaveLength(3);
  for (let index = 0; index < 3; index += 1) void publisher.publish(taskOf('flood'));
  void publisher.publish(taskOf('flood', 60));
});

it('says when nothing is on its way any more, also where a store failed', async () => {
  const { answers, publisher } = slowStore();
  await publisher.idle();
  const steps: string[] = [];
  for (let index = 0; index < 4; index += 1) {
    void publisher.publish(taskOf('flood')).catch(() => undefined);
  }
  const idle = publisher.idle().then(() => steps.push('idle'));
  answers.forEach(({ resolve }) => resolve({ sequence: 1 }));
  await turn();
  expect(steps).toEqual([]);
  answers[3]?.reject(new Error('broken'));
  await idle;
});

it('goes on where a store fails', async () => {
  const { asked, answers, publisher } = slowStore();
  const first = publisher.publish(taskOf('flood'));
  for (let index = 0; index < 4; index += 1) void publisher.publish(taskOf('flood'));
  answers[0]?.reject(new Error('broken'));
  await expect(first).rejects.toThrow('broken');
  await turn();
  expect(asked).toHaveLength(4);
  for (let index = 1; index < 5; index += 1) {
    answers[index]?.resolve({ sequence: index });
    await turn();
  }
  expect(asked).toHaveLength(5);
  await publisher.idle();
});

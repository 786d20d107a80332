import type { JetStreamManager } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import { JetStreamPackageStore } from './jetstream-package-store';

const { maxPackageSubjects } = EDGE_LIMITS;

it('asks for no list of more subjects than it may, and says why', async () => {
  const world = { subjects: maxPackageSubjects + 1, lists: 0 };
  const info = (_stream: string, options?: { readonly subjects_filter: string }) => {
    if (options !== undefined) world.lists += 1;
    return Promise.resolve({ state: { num_subjects: world.subjects } });
  };
  const manager = { streams: { info } } as unknown as JetStreamManager;
  const store = new JetStreamPackageStore(manager);
  const isUsed = (): boolean => true;
  const code = 'RESOURCE_EXHAUSTED';
  await expect(store.unused(isUsed)).rejects.toMatchObject({ code });
  expect(world.lists).toBe(0);
  world.subjects = maxPackageSubjects;
  expect(await store.unused(isUsed)).toEqual([]);
  expect(world.lists).toBe(2);
});

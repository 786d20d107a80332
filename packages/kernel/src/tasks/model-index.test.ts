import { asTarget } from '@llmos/base';
import type { ModelRegistration } from '@llmos/base';
import { modelOf } from '../core-fixture';
import { countedModels } from '../counted-models';
import { ModelIndex, targetOf } from './model-index';

function version(name: string, of: string, addedWallMs: number): ModelRegistration {
  return { ...modelOf(name), version: of, addedWallMs };
}

function put(index: ModelIndex, model: ModelRegistration): void {
  index.replace(targetOf(model), model);
}

const targets = (index: ModelIndex): string[] => index.all().map(targetOf);

it('lists by name, then by age, however the models came', () => {
  const models = [version('b', '1', 5), version('a', '9', 1), version('a', '2', 3)];
  const atOnce = new ModelIndex();
  atOnce.replaceAll(models);
  const oneByOne = new ModelIndex();
  for (const model of models) put(oneByOne, model);
  expect(targets(atOnce)).toEqual(['a@9', 'a@2', 'b@1']);
  expect(targets(oneByOne)).toEqual(targets(atOnce));
});

it('knows the newest version of a name, also when it went', () => {
  const index = new ModelIndex();
  index.replaceAll([version('a', '1', 1), version('a', '2', 2), version('ab', '3', 3)]);
  expect(index.newestOf('a')?.version).toBe('2');
  expect(index.versionsOf('a').map(targetOf)).toEqual(['a@1', 'a@2']);
  index.replace(asTarget('a@2'), undefined);
  expect(index.newestOf('a')?.version).toBe('1');
  index.replace(asTarget('a@1'), undefined);
  expect([index.newestOf('a'), index.versionsOf('a'), targets(index)]).toEqual([
    undefined,
    [],
    ['ab@3'],
  ]);
});

it('puts a registration that changed where it belongs now, and has it once', () => {
  const index = new ModelIndex();
  index.replaceAll([version('a', '1', 1), version('a', '2', 2)]);
  put(index, version('a', '1', 3));
  expect(targets(index)).toEqual(['a@2', 'a@1']);
  expect(index.get(asTarget('a@1'))?.addedWallMs).toBe(3);
});

it('leaves as it was what it has handed out, and takes no notice of what it never had', () => {
  const index = new ModelIndex();
  index.replaceAll([modelOf('a'), modelOf('b')]);
  const before = index.all();
  index.replace(asTarget('c@1'), undefined);
  index.replace(asTarget('a@1'), undefined);
  expect(before.map(targetOf)).toEqual(['a@1', 'b@1']);
  expect(targets(index)).toEqual(['b@1']);
});

it('looks at few of very many models where one changes or is asked for', () => {
  const { models, looksAt } = countedModels(2_000);
  const index = new ModelIndex();
  index.replaceAll(models);
  const looks = looksAt(() => {
    put(index, modelOf('model-0500x'));
    index.replace(asTarget('model-1500@1'), undefined);
    expect(index.versionsOf('model-0700')).toHaveLength(1);
    expect(index.newestOf('model-0700')?.name).toBe('model-0700');
  });
  expect(looks).toBeLessThan(200);
});

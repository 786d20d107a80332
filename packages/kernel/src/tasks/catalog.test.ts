import { asTarget } from '@llmos/base';
import type { FunctionName, ModelRegistration } from '@llmos/base';
import { CoreFixture, modelOf } from '../core-fixture';
import { countedModels } from '../counted-models';
import { Catalog } from './catalog';
import { chooseTarget } from './routing';

function catalogOf(models: readonly ModelRegistration[]): Catalog {
  const catalog = new Catalog();
  catalog.replaceModels(models);
  return catalog;
}

const names = (models: readonly ModelRegistration[]): string[] => models.map(({ name }) => name);

describe('a change of one model', () => {
  it('tells what is gone and what has other files', () => {
    const catalog = catalogOf([modelOf('a'), modelOf('b')]);
    expect(catalog.replaceModel(asTarget('c@1'), modelOf('c'))).toEqual({ gone: [], changed: [] });
    expect(catalog.replaceModel(asTarget('a@1'), modelOf('a'))).toEqual({ gone: [], changed: [] });
    const other = { ...modelOf('a'), digest: 'other' };
    expect(catalog.replaceModel(asTarget('a@1'), other)).toEqual({ gone: [], changed: ['a@1'] });
    const gone = { gone: ['b@1'], changed: ['b@1'] };
    expect(catalog.replaceModel(asTarget('b@1'), undefined)).toEqual(gone);
    expect(catalog.replaceModel(asTarget('b@1'), undefined)).toEqual({ gone: [], changed: [] });
    expect(catalog.isTarget(asTarget('b@1'))).toBe(false);
  });

  it('moves a name to the list of what its newest version serves', () => {
    const catalog = catalogOf([modelOf('a'), modelOf('b')]);
    const second = { ...modelOf('a', { task: 'classify' }), version: '2', addedWallMs: 2 };
    catalog.replaceModel(asTarget('a@2'), second);
    expect(names(catalog.newestServing('embed'))).toEqual(['b']);
    expect(names(catalog.newestServing('classify'))).toEqual(['a']);
    expect(catalog.newestServing('infer')).toEqual([second, modelOf('b')]);
    catalog.replaceModel(asTarget('a@2'), undefined);
    expect(names(catalog.newestServing('embed'))).toEqual(['a', 'b']);
    expect(names(catalog.newestServing('classify'))).toEqual([]);
    expect(catalog.newestServing('infer')).toEqual([modelOf('a'), modelOf('b')]);
  });

  it('leaves the catalog as one that was given all of them at once', () => {
    const old = { ...modelOf('a', { task: 'infer' }), version: '7', addedWallMs: 0 };
    const models = [modelOf('b'), modelOf('a', { task: 'generate' }), old];
    const changed = catalogOf([modelOf('c')]);
    for (const model of models)
      changed.replaceModel(asTarget(`${model.name}@${model.version}`), model);
    changed.replaceModel(asTarget('c@1'), undefined);
    const whole = catalogOf(models);
    for (const task of ['embed', 'generate', 'infer']) {
      expect(changed.newestServing(task)).toEqual(whole.newestServing(task));
    }
  });
});

it('routes a task without going over all of very many models', () => {
  const { models, looksAt } = countedModels(2_000);
  const catalog = catalogOf([...models, modelOf('only', { task: 'classify' })]);
  const route = (name: string, model?: string) =>
    chooseTarget(
      new CoreFixture().task({
        function: name as FunctionName,
        ...(model === undefined ? {} : { model: { name: model } }),
      }),
      catalog,
    );
  const looks = looksAt(() => {
    expect(route('classify')).toEqual({ kind: 'routed', target: 'only@1' });
    expect(route('embed', 'model-0700')).toEqual({ kind: 'routed', target: 'model-0700@1' });
    const refused = { kind: 'refused', error: { code: 'INVALID_ARGUMENT' } };
    expect(route('embed')).toMatchObject(refused);
    catalog.replaceModel(asTarget('model-0700@1'), undefined);
    expect(route('embed', 'model-0700')).toMatchObject({ error: { code: 'NOT_FOUND' } });
  });
  expect(looks).toBeLessThan(300);
});

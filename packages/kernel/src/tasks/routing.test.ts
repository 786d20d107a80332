import type { FunctionName, ModelRef } from '@llmos/base';
import { NO_TRAITS } from '@llmos/base';
import { CoreFixture, modelOf } from '../core-fixture';
import { Catalog } from './catalog';
import { chooseTarget } from './routing';

const fixture = new CoreFixture();
const route = (catalog: Catalog, name: string, model?: ModelRef) =>
  chooseTarget(
    fixture.task({ function: name as FunctionName, ...(model === undefined ? {} : { model }) }),
    catalog,
  );

function catalogOf(...models: ReturnType<typeof modelOf>[]): Catalog {
  const catalog = new Catalog();
  catalog.replaceModels(models);
  return catalog;
}

describe('routing', () => {
  const catalog = catalogOf(
    modelOf('mini', { task: 'embed' }),
    modelOf('tags', { task: 'classify' }),
    modelOf('signs', { task: 'classify' }),
  );

  it('refuses a function that is defined as a program, which no node could start', () => {
    const own = catalogOf(modelOf('scribe'));
    const runs = { description: '', input: {}, output: {}, runs: 'program' } as const;
    own.replaceFunctions([{ ...runs, name: 'scribe', traits: NO_TRAITS }]);
    expect(route(own, 'scribe')).toMatchObject({
      kind: 'refused',
      error: { code: 'UNIMPLEMENTED', message: expect.stringContaining('known: echo') as string },
    });
    expect(route(own, 'echo')).toEqual({ kind: 'routed', target: 'echo' });
  });

  it('takes the newest version of a name', () => {
    const old = { ...modelOf('mini'), version: '1', addedWallMs: 1 };
    const young = { ...modelOf('mini'), version: '0', addedWallMs: 2 };
    const both = catalogOf(young, old);
    expect(route(both, 'embed', { name: 'mini' })).toEqual({ kind: 'routed', target: 'mini@0' });
    const named = route(both, 'embed', { name: 'mini', version: '1' });
    expect(named).toEqual({ kind: 'routed', target: 'mini@1' });
  });

  it('chooses the only model that serves the function where none is named', () => {
    expect(route(catalog, 'embed')).toEqual({ kind: 'routed', target: 'mini@1' });
  });

  it('lists the choices where several serve it', () => {
    const outcome = route(catalog, 'classify');
    expect(outcome).toMatchObject({ kind: 'refused', error: { code: 'INVALID_ARGUMENT' } });
    expect(JSON.stringify(outcome)).toContain('signs, tags');
  });

  it('lets every model serve infer', () => {
    expect(route(catalog, 'infer', { name: 'tags' })).toMatchObject({ target: 'tags@1' });
  });

  it.each([
    ['embed', { name: 'tags' }, 'INVALID_ARGUMENT', 'tags@1'],
    ['embed', { name: 'nobody' }, 'NOT_FOUND', 'nobody'],
    ['embed', { name: 'mini', version: '9' }, 'NOT_FOUND', 'mini@9'],
    ['fly', undefined, 'NOT_FOUND', 'fly'],
  ])('refuses %s of %p with %s naming %s', (name, model, code, word) => {
    const outcome = route(catalog, name, model);
    expect(outcome).toMatchObject({ kind: 'refused', error: { code } });
    expect(JSON.stringify(outcome)).toContain(word);
  });

  it('sends a program to its own process', () => {
    expect(route(catalog, 'echo')).toEqual({ kind: 'routed', target: 'echo' });
  });
});

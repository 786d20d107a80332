import type { FunctionDefinition } from '@llmos/base';
import { NO_TRAITS, silentLogger } from '@llmos/base';
import { modelOf } from '../core-fixture';
import { Registry } from '../services/registry';
import { Catalog } from './catalog';

const scribe: FunctionDefinition = {
  ...{ name: 'scribe', description: '', input: {}, output: {} },
  runs: 'program',
  traits: NO_TRAITS,
};
const models = [
  modelOf('story'),
  { ...modelOf('story'), version: '2', addedWallMs: 2 },
  modelOf('echo'),
  modelOf('poem'),
];

/** What the services and the core hold one name for. */
function bothOf(functions: readonly FunctionDefinition[], more = models) {
  const registry = new Registry(silentLogger);
  registry.applyModels({ kind: 'models-changed', models: more });
  registry.setFunctions(functions);
  const catalog = new Catalog();
  catalog.replaceModels(more);
  catalog.replaceFunctions(functions);
  return (name: string) => [registry.resolveTarget(name), catalog.resolveTarget(name)];
}

it('means the same by a name in the services and in the core', () => {
  const both = bothOf([scribe]);
  const wanted = {
    story: 'story@2',
    'story@1': 'story@1',
    'story@3': undefined,
    echo: 'echo',
    'echo@1': 'echo@1',
    nothing: undefined,
    'not a name': undefined,
  };
  for (const [name, target] of Object.entries(wanted)) {
    expect([name, ...both(name)]).toEqual([name, target, target]);
  }
});

it('takes no function for a target that says of itself that it is a program', () => {
  expect(bothOf([scribe])('scribe')).toEqual([undefined, undefined]);
  const withModel = bothOf([scribe], [...models, modelOf('scribe')]);
  expect(withModel('scribe')).toEqual(['scribe@1', 'scribe@1']);
});

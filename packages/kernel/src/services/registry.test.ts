import { asTarget, silentLogger } from '@llmos/base';
import { modelOf } from '../core-fixture';
import { countedModels } from '../counted-models';
import type { RegistryEvent } from '../kernel-event';
import { Registry } from './registry';

it('tells who follows it all there is, then each change alone', () => {
  const registry = new Registry(silentLogger);
  registry.applyModels({ kind: 'models-changed', models: [modelOf('b'), modelOf('a')] });
  const told: RegistryEvent[] = [];
  const stop = registry.follow((event) => void told.push(event));
  const added = { kind: 'model-changed', target: asTarget('c@1'), model: modelOf('c') } as const;
  const removed = { kind: 'model-changed', target: asTarget('a@1'), model: undefined } as const;
  registry.applyModels(added);
  registry.applyModels(removed);
  stop();
  registry.applyModels({ kind: 'models-changed', models: [] });
  expect(told.map(({ kind }) => kind)).toEqual([
    'functions-changed',
    'models-changed',
    'model-changed',
    'model-changed',
  ]);
  expect(told[1]).toEqual({ kind: 'models-changed', models: [modelOf('a'), modelOf('b')] });
  expect(told.slice(2)).toEqual([added, removed]);
});

it('says nothing of models before they were read', () => {
  const told: RegistryEvent[] = [];
  new Registry(silentLogger).follow((event) => void told.push(event));
  expect(told.map(({ kind }) => kind)).toEqual(['functions-changed']);
});

it('takes in a change, and finds a target, without going over all of very many models', () => {
  const { models, looksAt } = countedModels(2_000);
  const registry = new Registry(silentLogger);
  registry.applyModels({ kind: 'models-changed', models });
  const looks = looksAt(() => {
    registry.applyModels({
      kind: 'model-changed',
      target: asTarget('new@1'),
      model: modelOf('new'),
    });
    expect(registry.resolveTarget('new')).toBe('new@1');
    expect(registry.resolveTarget('model-0700')).toBe('model-0700@1');
    expect(registry.versionsOf('model-0701')).toHaveLength(1);
  });
  expect(looks).toBeLessThan(200);
});

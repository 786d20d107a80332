import type { ModelRegistration } from '@llmos/base';
import { GUARD_LIMITS, encodeJson, silentLogger } from '@llmos/base';
import type { RegistryStore } from '../ports/registry-store';
import { EDGE_LIMITS } from '../edge-limits';
import { ModelRegistrar } from './model-registration';
import { PackageTurns } from './package-turns';
import { Registry } from './registry';

const request = {
  name: 'toy',
  digest: 'a'.repeat(64),
  files: [],
  manifest: { task: 'infer', graph: 'model.onnx' },
  footprintBytes: 1,
} as const;

/** A store whose watch shows what was written only when the test says so. */
function setUp() {
  const registry = new Registry(silentLogger);
  const stored: ModelRegistration[] = [];
  const held = { bytes: 0 };
  const registrar = new ModelRegistrar({
    registry,
    store: {
      modelBytes: () => held.bytes,
      addModel: async (model) => {
        stored.push(model);
        return 'added';
      },
    } as Partial<RegistryStore> as RegistryStore,
    packages: { missing: async () => [] },
    turns: new PackageTurns(),
    wallMs: () => 0,
  });
  return {
    registry,
    registrar,
    held,
    show: () => registry.applyModels({ kind: 'models-changed', models: stored }),
    stored,
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('answers that a model was added once it can be used', async () => {
  const { registry, registrar, show, stored } = setUp();
  let isAnswered = false;
  const added = registrar.add(request).finally(() => (isAnswered = true));
  for (let turns = 0; turns < 5; turns += 1) await turn();
  expect([stored.length, isAnswered]).toEqual([1, false]);
  registry.setFunctions([]);
  await turn();
  expect(isAnswered).toBe(false);
  show();
  expect(await added).toMatchObject({ added: true, model: { name: 'toy', version: '1' } });
});

it('takes no model that no kernel would read, because the registrations have too many bytes', async () => {
  const { registrar, held, show, stored } = setUp();
  const room = encodeJson(request).length + EDGE_LIMITS.registrationRowBytes;
  held.bytes = GUARD_LIMITS.maxBucketBytes - room + 1;
  await expect(registrar.add(request)).rejects.toMatchObject({
    code: 'RESOURCE_EXHAUSTED',
    retryable: false,
    message: 'the 0 registrations would have 67108865 bytes, of at most 67108864: remove some',
  });
  expect(stored).toHaveLength(0);
  held.bytes -= 1;
  const added = registrar.add(request);
  for (let turns = 0; turns < 5; turns += 1) await turn();
  show();
  expect(await added).toMatchObject({ added: true });
});

import { LlmosError } from '@llmos/base';
import type { ModelRegistration } from '@llmos/base';
import type { SystemNotice } from '../programs/system-notice';
import { newestOf, registerModels } from './register-models';
import type { ModelRegistrar } from './register-models';

function registration(name: string, version: string): ModelRegistration {
  return {
    name,
    version,
    digest: `${name}-${version}`,
    files: [{ path: 'onnx/model.onnx', sha256: 'a', bytes: 7 }],
    manifest: { task: 'embed', graph: 'onnx/model.onnx' },
    footprintBytes: 1,
    addedWallMs: 0,
  };
}

async function register(parts: Partial<ModelRegistrar>, names: readonly string[]) {
  const notices: SystemNotice[] = [];
  const references = await registerModels({
    folders: names.map((name) => ({ name, path: `/models/${name}` })),
    registrar: {
      list: async () => [],
      isUnchanged: async () => false,
      add: async (folder) => ({ model: registration(folder.name, '1'), added: true }),
      ...parts,
    },
    report: (notice) => notices.push(notice),
  });
  return { references, notices };
}

describe('registering the packages of a folder', () => {
  it('adds what the registry does not hold', async () => {
    const { references, notices } = await register({}, ['a', 'b']);
    expect(references).toEqual(['a@1', 'b@1']);
    expect(notices).toContainEqual({
      kind: 'model-registered',
      model: 'a@1',
      isNew: true,
      bytes: 7,
    });
  });

  it('does not check a package that is registered as it is', async () => {
    const add = jest.fn();
    const { references } = await register(
      { list: async () => [registration('a', '3')], isUnchanged: async () => true, add },
      ['a'],
    );
    expect(references).toEqual(['a@3']);
    expect(add).not.toHaveBeenCalled();
  });

  it('goes on after a package that is refused, and says why', async () => {
    const add: ModelRegistrar['add'] = async (folder) => {
      if (folder.name === 'bad') throw new LlmosError('INVALID_ARGUMENT', 'it holds no graph');
      return { model: registration(folder.name, '1'), added: true };
    };
    const { references, notices } = await register({ add }, ['bad', 'good']);
    expect(references).toEqual(['good@1']);
    expect(notices).toContainEqual({
      kind: 'model-refused',
      name: 'bad',
      message: 'it holds no graph',
    });
  });

  it('compares with the newest version, by number', () => {
    const models = ['9', '10', '2', 'beta'].map((version) => registration('a', version));
    expect(newestOf(models).get('a')?.version).toBe('10');
  });
});

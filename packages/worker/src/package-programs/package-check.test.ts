import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkPackage } from './package-check';
import { shippedModel } from '../testing/model-folders';

const folders: string[] = [];
afterEach(() =>
  folders.splice(0).forEach((path) => rmSync(path, { recursive: true, force: true })),
);

function copyOf(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'llmos-check-'));
  folders.push(folder);
  cpSync(shippedModel(name), folder, { recursive: true });
  return folder;
}

describe('checking a package', () => {
  it('describes a package that works, and says how far it is', async () => {
    const steps: string[] = [];
    const description = await checkPackage(shippedModel('mini-encoder'), {
      onProgress: (step) => steps.push(step),
    });
    expect(description.manifest).toMatchObject({ task: 'embed', graph: 'onnx/model.onnx' });
    expect(description.provider).toBe('cpu');
    expect(description.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(description.inputs.map((input) => input.name)).toContain('input_ids');
    expect(description.outputs.map((output) => output.name)).toContain('sentence_embedding');
    expect(description.files.map((file) => file.path)).toContain('config.json');
    expect(description.footprintBytes).toBeGreaterThan(20e6);
    expect(description.footprintBytes).toBeLessThan(1e9);
    expect(steps).toEqual(expect.arrayContaining(['reading', 'hashing config.json', 'loading']));
  });

  it('says what is wrong with one that does not', async () => {
    await expect(checkPackage('/nowhere')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const damaged = copyOf('mini-encoder');
    writeFileSync(join(damaged, 'onnx', 'model.onnx'), 'not a graph');
    await expect(checkPackage(damaged)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('onnx/model.onnx is not an ONNX model') as string,
    });
    const wrongTask = copyOf('mini-encoder');
    writeFileSync(join(wrongTask, 'llmos.json'), '{"task":"classify","graph":"onnx/model.onnx"}');
    writeFileSync(join(wrongTask, 'tokenizer.json'), '{"model":{"type":"Strange"}}');
    await expect(checkPackage(wrongTask)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('tokenizer.json') as string,
    });
  });

  it('ends in time, and when it is no longer wanted', async () => {
    await expect(
      checkPackage(shippedModel('mini-encoder'), { timeoutMs: 1 }),
    ).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    await expect(
      checkPackage(shippedModel('mini-encoder'), { signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

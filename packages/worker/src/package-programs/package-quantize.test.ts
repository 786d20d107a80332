import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readPackageFolder } from '../adapters/package-files/package-folder';
import { quantizePackage } from './package-quantize';
import { DrivenThread } from '../testing/driven-thread';
import { shippedModel } from '../testing/model-folders';

let folder = '';
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'llmos-quantize-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('quantising a package', () => {
  it('writes a package that generates, and says how far it is', async () => {
    const out = join(folder, 'q8');
    const steps = new Set<string>();
    const report = await quantizePackage(shippedModel('storyteller'), {
      bits: 8,
      out,
      onProgress: ({ step }) => steps.add(step),
    });
    expect([...steps]).toEqual(['reading', 'quantising', 'writing', 'comparing', 'measuring']);
    expect(report).toMatchObject({ folder: out, graph: 'onnx/model.onnx', bits: 8, skipped: 0 });
    expect(report.afterBytes).toBeLessThan(0.6 * report.beforeBytes);
    expect(report.error).toBeGreaterThan(0);
    expect(report.error).toBeLessThan(0.02);
    expect(report.speed.map(({ rows }) => rows)).toEqual([1, 4, 16]);
    expect(readdirSync(out)).toEqual(expect.arrayContaining(['tokenizer.json', 'onnx']));
    expect(readdirSync(out).filter((name) => name.startsWith('.'))).toEqual([]);
    const { manifest } = readPackageFolder(out);
    expect(manifest.traits).toMatchObject({ weightBits: 8, rows: 'independent' });
    const thread = await DrivenThread.load(out);
    try {
      const input = { prompt: 'Once upon a time', maxTokens: 4, temperature: 0 };
      const { tokens } = await thread.ask<{ tokens: number[] }>('generate', input);
      expect(tokens).toHaveLength(4);
    } finally {
      thread.stop();
    }
    await expect(
      quantizePackage(shippedModel('storyteller'), { bits: 8, out }),
    ).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  });

  it('writes a variant beside the graph, which has to be chosen', async () => {
    cpSync(shippedModel('mini-encoder'), folder, { recursive: true });
    const report = await quantizePackage(folder, { bits: 4, blockSize: 64, isSymmetric: true });
    expect(report).toMatchObject({ folder, graph: 'onnx/model_q4.onnx', blockSize: 64 });
    expect(readPackageFolder(folder).manifest).toMatchObject({ graph: 'onnx/model.onnx' });
    const { manifest, paths } = readPackageFolder(folder, 'onnx/model_q4.onnx');
    expect(manifest.traits?.weightBits).toBe(4);
    expect(paths).not.toContain('onnx/model.onnx');
  });

  it('writes nothing where the error passes the limit, or where nothing can be quantised', async () => {
    const out = join(folder, 'q4');
    await expect(
      quantizePackage(shippedModel('storyteller'), { bits: 4, out, errorLimit: 0.001 }),
    ).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringMatching(/more than the limit 0\.001: nothing is written/) as string,
    });
    expect(existsSync(out)).toBe(false);
    await expect(quantizePackage('/nowhere', { bits: 4, out })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    const damaged = join(folder, 'damaged');
    cpSync(shippedModel('mini-encoder'), damaged, { recursive: true });
    writeFileSync(join(damaged, 'onnx', 'model.onnx'), 'not a graph');
    await expect(quantizePackage(damaged, { bits: 4 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    expect(readdirSync(join(damaged, 'onnx'))).toEqual(['model.onnx']);
  });
});

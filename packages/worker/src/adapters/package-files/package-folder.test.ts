import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ModelManifest } from '@llmos/base';
import { shippedModel, itWithShared } from '../../testing/model-folders';
import { tinyGraph } from '../onnxruntime/tiny-graph';
import { scanGraph } from '../onnxruntime/graph-scan';
import { hashFiles, packageDigest, readPackageFolder } from './package-folder';

const folders: string[] = [];
afterEach(() =>
  folders.splice(0).forEach((path) => rmSync(path, { recursive: true, force: true })),
);

function folderOf(files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'llmos-package-'));
  folders.push(folder);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  return folder;
}

const graph = tinyGraph();

/** The tiny graph with a weight that lies at this place. */
function graphWithWeights(location: string): Uint8Array {
  const field = (number: number, bytes: Uint8Array): Uint8Array =>
    Uint8Array.from([number * 8 + 2, bytes.length, ...bytes]);
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  const entry = Uint8Array.from([...field(1, text('location')), ...field(2, text(location))]);
  const tensor = Uint8Array.from([...field(8, text('w')), ...field(13, entry)]);
  return Uint8Array.from([...graph, ...field(7, field(5, tensor))]);
}

describe('a package folder', () => {
  it.each<[string, Partial<ModelManifest>]>([
    ['mini-encoder', { task: 'embed', maxTokens: 256, pooling: 'none', normalize: false }],
    ['support-intents', { task: 'classify', maxTokens: 256 }],
    ['contract-entities', { task: 'extract', maxTokens: 256 }],
    [
      'storyteller',
      {
        task: 'generate',
        maxTokens: 512,
        traits: { rows: 'independent', weightBits: 32, kv: { type: 'float32', isShared: true } },
      },
    ],
  ])('%s: everything is inferred', (name, expected) => {
    const { manifest, paths } = readPackageFolder(shippedModel(name));
    const traits = { rows: 'independent', weightBits: 32 };
    expect(manifest).toEqual({ graph: 'onnx/model.onnx', traits, ...expected });
    expect(paths).toContain('tokenizer.json');
  });

  itWithShared('silero-vad needs a choice, and has a state', 'silero-vad', async (folder) => {
    expect(() => readPackageFolder(folder)).toThrow(/several graphs.*silero_vad\.onnx/);
    const { manifest, paths } = readPackageFolder(folder, 'silero_vad.onnx');
    expect(manifest.task).toBe('infer');
    expect(manifest.state).toEqual([
      { input: 'state', output: 'stateN', dims: [2, 1, 128], type: 'float32' },
    ]);
    expect(paths).toContain('silero_vad.onnx');
    expect(paths).not.toContain('silero_vad_16k_op15.onnx');
  });

  it('lets llmos.json decide, and refuses what it does not know by name', () => {
    const write = (fields: unknown): string =>
      folderOf({ 'b.onnx': graph, 'a.onnx': graph, 'llmos.json': JSON.stringify(fields) });
    const { manifest } = readPackageFolder(write({ graph: 'b.onnx', threads: 2, task: 'infer' }));
    expect(manifest).toMatchObject({ graph: 'b.onnx', threads: 2, task: 'infer' });
    const refusals: [unknown, RegExp][] = [
      [{ graph: 'b.onnx', grpah: 1 }, /unknown field "grpah"; known are task/],
      [{ graph: '../b.onnx' }, /graph must be a path inside the package, not "\.\.\/b\.onnx"/],
      [{ graph: '/etc/passwd' }, /graph must be a path inside/],
      [{ graph: 'c.onnx' }, /has no file "c\.onnx"/],
      [{ task: 'sing' }, /task must be one of embed.*not "sing"/],
      [{ threads: 0 }, /threads must be an integer from 1/],
      [{ maxTokens: 1e12 }, /maxTokens must be an integer/],
      [{ normalize: 'yes' }, /normalize must be true or false/],
      [{ state: [{ input: 'a' }] }, /state\[0\] must be an object/],
      [{ graph: 'b.onnx', task: 'embed' }, /no tokenizer\.json, which the task embed needs/],
      [[], /must be a JSON object/],
    ];
    for (const [fields, message] of refusals) {
      expect(() => readPackageFolder(write(fields))).toThrow(message);
    }
  });

  it('refuses what is not a package, saying why', () => {
    expect(() => readPackageFolder('/nowhere/at/all')).toThrow(/can't be read/);
    expect(() => readPackageFolder(folderOf({ 'a.txt': '' }))).toThrow(/no graph/);
    expect(() =>
      readPackageFolder(folderOf({ 'model.onnx': graph, 'config.json': '{"a":' })),
    ).toThrow(/config\.json is not JSON/);
    expect(() => readPackageFolder(folderOf({ 'model.onnx': graph, 'config.json': '[]' }))).toThrow(
      /config\.json is not a JSON object/,
    );
    expect(() => readPackageFolder(folderOf({ 'model.onnx': graph, 'llmos.json': 'x' }))).toThrow(
      /llmos\.json is not JSON/,
    );
    expect(() => readPackageFolder(folderOf({ 'model.onnx': 'no graph at all' }))).toThrow(
      /model\.onnx is not an ONNX model/,
    );
    expect(() => readPackageFolder(folderOf({ 'model.onnx': '' }))).toThrow(/holds no graph/);
  });

  it('refuses links, in files and folders', () => {
    const file = folderOf({ 'model.onnx': graph });
    symlinkSync('/etc/passwd', join(file, 'vocab.txt'));
    expect(() => readPackageFolder(file)).toThrow(/"vocab\.txt" is a link/);
    const folder = folderOf({ 'model.onnx': graph });
    symlinkSync('/etc', join(folder, 'onnx'));
    expect(() => readPackageFolder(folder)).toThrow(/"onnx" is a link/);
  });

  it('refuses weights outside the package, and misses those that are absent', () => {
    for (const location of ['../w.bin', '/etc/passwd', 'a/../../w', 'a\\..\\w', '', 'w\u0000x']) {
      const folder = folderOf({ 'onnx/model.onnx': graphWithWeights(location), 'w.bin': 'w' });
      expect(() => readPackageFolder(folder)).toThrow(/outside the package/);
    }
    const absent = folderOf({ 'onnx/model.onnx': graphWithWeights('w.bin'), 'w.bin': 'w' });
    expect(() => readPackageFolder(absent)).toThrow(/needs "onnx\/w\.bin", which is absent/);
    const files = { 'onnx/model.onnx': graphWithWeights('./w.bin'), 'onnx/w.bin': 'w' };
    expect(readPackageFolder(folderOf(files)).paths).toContain('onnx/w.bin');
  });

  it('leaves out hidden files and other variants of the graph', () => {
    const folder = folderOf({
      'onnx/model.onnx': graph,
      'onnx/model_fp16.onnx': graph,
      'onnx/model_fp16.onnx_data': 'w',
      '.git/config': 'x',
      'README.md': 'x',
    });
    expect(readPackageFolder(folder).paths).toEqual(['README.md', 'onnx/model.onnx']);
  });

  it('has one digest, whatever the order of its files', async () => {
    const folder = folderOf({ 'model.onnx': graph, 'a.txt': 'a', 'b.txt': 'b' });
    const files = await hashFiles(folder, ['a.txt', 'b.txt', 'model.onnx']);
    expect(files[0]).toEqual({
      path: 'a.txt',
      bytes: 1,
      sha256: 'ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb',
    });
    expect(packageDigest([...files].reverse())).toBe(packageDigest(files));
    expect(packageDigest(files.slice(1))).not.toBe(packageDigest(files));
  });
});

describe('reading a graph without loading it', () => {
  it('finds inputs, outputs and operators', () => {
    const folder = folderOf({ 'model.onnx': graph });
    const facts = scanGraph(join(folder, 'model.onnx'), 'model.onnx');
    expect(facts.inputs).toEqual([{ name: 'x', type: 'float32', dims: [1] }]);
    expect(facts.outputs).toEqual([{ name: 'y', type: 'float32', dims: [1] }]);
    expect([...facts.operators]).toEqual(['Add']);
    const story = scanGraph(join(shippedModel('storyteller'), 'onnx', 'model.onnx'), 'story');
    expect(story.operators.has('GroupQueryAttention')).toBe(true);
    expect(story.inputs[0]).toMatchObject({ name: 'input_ids', type: 'int64' });
  });

  it('never hangs or crashes on a damaged file', () => {
    const source = readFileSync(join(shippedModel('mini-encoder'), 'onnx', 'model.onnx'));
    const folder = folderOf({});
    const path = join(folder, 'damaged.onnx');
    for (let round = 0; round < 60; round += 1) {
      const damaged = Uint8Array.from(source.subarray(0, 3000 + round * 997));
      for (let at = round; at < damaged.length; at += 211 + round) damaged[at] = (at * 31) & 0xff;
      writeFileSync(path, damaged);
      try {
        scanGraph(path, 'damaged.onnx');
      } catch (thrown) {
        expect((thrown as Error).message).toMatch(/damaged\.onnx is not an ONNX model/);
      }
    }
  });
});

import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MODEL_LIMITS } from '../../models/limits';
import { readModelDocuments, readPackageDocuments } from './model-documents-reader';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'llmos-documents-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(path: string, content: string): void {
  if (path.startsWith('1_Pooling/')) mkdirSync(join(folder, '1_Pooling'), { recursive: true });
  writeFileSync(join(folder, path), content);
}

it('reads what is there, a byte order mark included, and takes the rest as absent', () => {
  write('config.json', '\uFEFF{"max_position_embeddings": 512}');
  write('1_Pooling/config.json', '{"pooling_mode_mean_tokens": true}');
  write('modules.json', '[{"type": "Transformer"}, {"type": 7}, "Pooling"]');
  write('chat_template.jinja', '{{ messages }}');
  const read = readPackageDocuments(folder);
  expect(read).toMatchObject({
    config: { max_position_embeddings: 512 },
    pooling: { pooling_mode_mean_tokens: true },
    sentenceModules: ['Transformer'],
    chatTemplate: '{{ messages }}',
    tokenizerConfig: {},
  });
  expect(read).not.toHaveProperty('tokenizer');
});

it('reads no file that the package does not list', () => {
  write('config.json', 'not even JSON');
  expect(readModelDocuments(folder, []).config).toEqual({});
});

it.each(['', '{', '\0\0\0\0', '{"a":1}{', '[1]', '"text"', 'null'])(
  'refuses %j by the name of its file',
  (content) => {
    write('config.json', content);
    expect(() => readPackageDocuments(folder)).toThrow(/^config\.json is not (a )?JSON/);
  },
);

it('reads no document beyond the bound, however large it claims to be', () => {
  write('tokenizer.json', '{}');
  truncateSync(join(folder, 'tokenizer.json'), MODEL_LIMITS.maxDocumentBytes + 1);
  expect(() => readPackageDocuments(folder)).toThrow('are read');
});

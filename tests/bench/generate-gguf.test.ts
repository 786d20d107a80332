import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryFolder } from '../support/shared-folder';
import { writeGguf } from './generate-gguf';

const STORYTELLER = join(repositoryFolder, 'models', 'storyteller');

it.each(['float32', '8 bits', '4 bits'] as const)(
  'a GGUF file in %s is as long as it says',
  (kind) => {
    const folder = mkdtempSync(join(tmpdir(), 'llmos-gguf-'));
    try {
      const file = join(folder, 'model.gguf');
      writeGguf(STORYTELLER, file, kind);
      const bytes = readFileSync(file);
      expect(bytes.subarray(0, 4).toString()).toBe('GGUF');
      expect(bytes.readUInt32LE(4)).toBe(3);
      // Embedding, final norm, and nine tensors of each of six layers; the head is the embedding.
      expect(bytes.readBigUInt64LE(8)).toBe(56n);
      expect(bytes.length % 32).toBe(0);
      const bitsPerWeight = { float32: 32, '8 bits': 8.5, '4 bits': 4.5 }[kind];
      const matrices = 6 * (2 * 192 * 192 + 2 * 192 * 96 + 3 * 192 * 512);
      const floats = 4096 * 192 + 13 * 192;
      const weights = (matrices * bitsPerWeight) / 8 + floats * 4;
      const head = bytes.length - weights;
      expect(head).toBeGreaterThan(50_000);
      expect(head).toBeLessThan(300_000);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);

/** In a process of its own, so that the memory is that of the quantisation. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MIB = 1024 * 1024;
const ENTRY = join(__dirname, '..', '..', 'dist', 'testing', 'quantize-large-main.js');

let folder = '';
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'llmos-onnx-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const itOnLinux = process.platform === 'linux' ? it : it.skip;

itOnLinux('takes much less memory than the weights that it quantises and writes', () => {
  const stdout = execFileSync(process.execPath, [ENTRY, folder, '8'], {
    encoding: 'utf8',
    timeout: 220_000,
  });
  const found = JSON.parse(stdout) as Readonly<Record<string, number>>;
  expect(found['sourceBytes']).toBe(256 * MIB);
  expect(found['targetBytes']).toBeGreaterThan(64 * MIB);
  expect(found['targetBytes']).toBeLessThan(80 * MIB);
  expect(found['grownBytes']).toBeLessThan(160 * MIB);
});

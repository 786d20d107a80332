/** The SDK as users get it: one package, installed without a network into an empty project. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startTestSystem } from '../support/test-system';
import type { TestSystem } from '../support/test-system';
import { repositoryFolder } from '../support/shared-folder';

const execute = promisify(execFile);
const modules = join(repositoryFolder, 'node_modules');

let system: TestSystem;
let folder: string;
let tarball: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'llmos-pack-'));
  const script = join(repositoryFolder, 'scripts', 'pack-sdk.mjs');
  const packed = await execute(process.execPath, [script, '--out', folder]);
  tarball = packed.stdout.trim();
  await install();
  system = await startTestSystem();
});

afterAll(async () => {
  await system?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The NATS client and what it needs come from the checkout: nothing is fetched. */
async function install(): Promise<void> {
  const local = ['nats', 'nkeys.js', 'tweetnacl'].map((name) => [name, `file:${modules}/${name}`]);
  const manifest = {
    name: 'empty-project',
    private: true,
    dependencies: { '@llmos/sdk': `file:${tarball}`, ...Object.fromEntries(local) },
    overrides: Object.fromEntries(local.map(([name]) => [name, `$${name}`])),
  };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  const flags = ['--offline', '--install-links', '--no-audit', '--no-fund', '--ignore-scripts'];
  await execute('npm', ['install', ...flags], { cwd: folder });
}

const BODY = `
async function main() {
  const os = await connect({ servers: process.env.SERVERS });
  const said = await os.call('echo', { hello: 'world' });
  const task = await os.submit('echo', 7);
  const refused = await os.call('no-such-function', 1).catch((error) => error);
  console.log(JSON.stringify({
    said,
    result: await task.result(),
    code: refused.code,
    isTyped: refused instanceof LlmosError,
  }));
  await os.close();
}
main().catch((error) => { console.error(error); process.exit(1); });
`;

it.each([
  ['an ES module', 'main.mjs', `import { connect, LlmosError } from '@llmos/sdk';`],
  ['CommonJS', 'main.cjs', `const { connect, LlmosError } = require('@llmos/sdk');`],
])('runs against a system as %s', async (_, file, load) => {
  writeFileSync(join(folder, file), `${load}\n${BODY}`);
  const env = { ...process.env, SERVERS: system.nats.url };
  const { stdout } = await execute(process.execPath, [file], { cwd: folder, env });
  expect(JSON.parse(stdout)).toEqual({
    said: { hello: 'world' },
    result: 7,
    code: 'NOT_FOUND',
    isTyped: true,
  });
});

it('gives both kinds of module the same classes', async () => {
  const source = `import * as sdk from '@llmos/sdk';
    import { createRequire } from 'node:module';
    const required = createRequire(import.meta.url)('@llmos/sdk');
    const names = Object.keys(required).sort();
    console.log(JSON.stringify([names, names.every((name) => sdk[name] === required[name])]));`;
  writeFileSync(join(folder, 'both.mjs'), source);
  const { stdout } = await execute(process.execPath, ['both.mjs'], { cwd: folder });
  expect(JSON.parse(stdout)).toEqual([
    ['ERROR_CODES', 'LlmosError', 'connect', 'readTensor', 'tensor'],
    true,
  ]);
});

it('brings its only dependency, the NATS client, and no package of the workspace', () => {
  expect(readdirSync(join(folder, 'node_modules', '@llmos'))).toEqual(['sdk']);
});

it('has types for both kinds of module', async () => {
  const source = `import { connect, LlmosError } from '@llmos/sdk';
    import type { LlmosClient, TaskHandle } from '@llmos/sdk';
    export async function use(): Promise<string> {
      const os: LlmosClient = await connect();
      const { labels } = await os.classify({ model: 'm', text: 't' });
      const task: TaskHandle<unknown> = await os.submit('echo', 1, { class: 'batch' });
      // @ts-expect-error a text is no number
      const wrong: number = labels[0]!.label;
      for await (const event of os.events({ last: 1 })) return event.what + task.id + wrong;
      throw new LlmosError('NOT_FOUND', 'none');
    }`;
  mkdirSync(join(folder, 'typed'));
  for (const name of ['use.mts', 'use.cts']) writeFileSync(join(folder, 'typed', name), source);
  const tsconfig = {
    compilerOptions: {
      target: 'es2022',
      module: 'node16',
      strict: true,
      noEmit: true,
      typeRoots: [join(modules, '@types')],
      types: ['node'],
    },
  };
  writeFileSync(join(folder, 'typed', 'tsconfig.json'), JSON.stringify(tsconfig));
  const compiler = join(modules, 'typescript', 'bin', 'tsc');
  const run = execute(process.execPath, [compiler, '-p', join(folder, 'typed')]);
  await expect(run.catch((error: { stdout: string }) => error.stdout)).resolves.toMatchObject({
    stdout: '',
  });
});

it.each([
  ['publint', ['publint', 'src', 'cli.js'], ['--strict']],
  ['arethetypeswrong', ['@arethetypeswrong', 'cli', 'dist', 'index.js'], ['--no-color']],
])('passes %s', async (_, path, flags) => {
  const program = join(modules, ...path);
  const run = execute(process.execPath, [program, tarball, ...flags], { cwd: folder });
  const outcome = await run.then(
    () => 'passed',
    (error: { stdout: string; stderr: string }) => error.stdout + error.stderr,
  );
  expect(outcome).toBe('passed');
});

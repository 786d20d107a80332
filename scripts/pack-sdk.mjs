// Packs the SDK as one installable package: `npm run pack:sdk [-- --out FOLDER]`.
//
// In the workspace, @llmos/sdk depends on @llmos/base and @llmos/wire. Users get one package instead:
// what it uses of both is bundled into it, so its only dependency is the NATS client. It holds a
// CommonJS bundle, an ES module that names the same exports (one instance of each class, whoever
// loads it), and types.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, posix, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');
const { values } = parseArgs({ options: { out: { type: 'string', default: '.' } } });

run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-b', 'packages/sdk'], root);
const folder = mkdtempSync(join(tmpdir(), 'llmos-sdk-'));
try {
  await stage(folder);
  const out = resolve(values.out);
  mkdirSync(out, { recursive: true });
  const packed = run('npm', ['pack', folder, '--pack-destination', out, '--json'], root);
  const description = JSON.parse(packed);
  const [{ filename }] = Array.isArray(description) ? description : Object.values(description);
  process.stdout.write(`${join(out, filename)}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function stage(folder) {
  const dist = join(folder, 'dist');
  const workspace = JSON.parse(readFileSync(join(root, 'packages/sdk/package.json'), 'utf8'));
  await build({
    entryPoints: [join(root, 'packages/sdk/src/index.ts')],
    outfile: join(dist, 'index.js'),
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    keepNames: true,
    alias: {
      '@llmos/base': join(root, 'packages/base/src/index.ts'),
      '@llmos/wire': join(root, 'packages/wire/src/index.ts'),
      '@llmos/proto': join(root, 'proto/gen/index.ts'),
    },
    external: ['nats'],
    logLevel: 'warning',
  });
  const names = Object.keys(createRequire(import.meta.url)(join(root, 'packages/sdk/dist')));
  const lines = names.sort().map((name) => `export const ${name} = sdk.${name};`);
  writeFileSync(join(dist, 'index.mjs'), `import sdk from './index.js';\n${lines.join('\n')}\n`);
  copyTypes('sdk/index', join(dist, 'types'), new Set());
  writeFileSync(join(dist, 'index.d.ts'), "export * from './types/sdk/index';\n");
  writeFileSync(join(dist, 'index.d.mts'), "export * from './index.js';\n");
  cpSync(join(root, 'packages/sdk/README.md'), join(folder, 'README.md'));
  cpSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  writeFileSync(
    join(folder, 'package.json'),
    `${JSON.stringify(publishedManifest(workspace), undefined, 2)}\n`,
  );
}

function publishedManifest(workspace) {
  const { name, version, description, license, engines } = workspace;
  const wire = JSON.parse(readFileSync(join(root, 'packages/wire/package.json'), 'utf8'));
  return {
    name,
    version,
    description,
    license,
    engines,
    type: 'commonjs',
    sideEffects: false,
    main: './dist/index.js',
    types: './dist/index.d.ts',
    exports: {
      '.': {
        import: { types: './dist/index.d.mts', default: './dist/index.mjs' },
        require: { types: './dist/index.d.ts', default: './dist/index.js' },
      },
      './package.json': './package.json',
    },
    files: ['dist'],
    dependencies: { nats: wire.dependencies.nats },
  };
}

/** A file of types and all that it names, with imports of base as relative paths. */
function copyTypes(module, target, copied) {
  if (copied.has(module)) return;
  copied.add(module);
  const [name, ...rest] = module.split('/');
  const source = `${join(root, 'packages', name, 'dist', ...rest)}.d.ts`;
  const base = posix.relative(posix.dirname(module), 'base/index');
  const text = readFileSync(source, 'utf8')
    .replace(/\n?\/\/# sourceMappingURL=.*\s*$/, '\n')
    .replaceAll("'@llmos/base'", `'${base.startsWith('.') ? base : `./${base}`}'`);
  if (text.includes("'@llmos/")) throw new Error(`${module} names a package of the workspace`);
  for (const [, path] of text.matchAll(/(?:from |import\()'(\.[^']*)'/g)) {
    copyTypes(posix.join(posix.dirname(module), path), target, copied);
  }
  const path = `${join(target, module)}.d.ts`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function run(program, args, cwd) {
  const outcome = spawnSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 2] });
  if (outcome.status === 0) return outcome.stdout;
  process.stderr.write(outcome.stdout ?? '');
  process.exit(outcome.status ?? 1);
}

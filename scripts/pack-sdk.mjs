// Packs the SDK as one installable package: `npm run pack:sdk [-- --out FOLDER]`.
//
// In the workspace, @llmos/sdk depends on @llmos/base. Users get one package instead: base is
// bundled into it, so its only dependency is the NATS client. It holds a CommonJS bundle, an ES
// module that names the same exports (one instance of each class, whoever loads it), and types.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
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
    alias: { '@llmos/base': join(root, 'packages/base/src/index.ts') },
    external: Object.keys(workspace.dependencies).filter((name) => !name.startsWith('@llmos/')),
    logLevel: 'warning',
  });
  const names = Object.keys(createRequire(import.meta.url)(join(root, 'packages/sdk/dist')));
  const lines = names.sort().map((name) => `export const ${name} = sdk.${name};`);
  writeFileSync(join(dist, 'index.mjs'), `import sdk from './index.js';\n${lines.join('\n')}\n`);
  for (const name of ['sdk', 'base']) copyTypes(name, join(dist, 'types'));
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
  const { name, version, description, license, engines, dependencies } = workspace;
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
    dependencies: { nats: dependencies.nats },
  };
}

/** The types of a workspace package, with imports of base as relative paths. */
function copyTypes(name, target) {
  const from = join(root, 'packages', name, 'dist');
  const files = readdirSync(from, { recursive: true, encoding: 'utf8' });
  for (const file of files.filter((each) => each.endsWith('.d.ts'))) {
    if (/(^|\/)testing\.d\.ts$|\.test\.d\.ts$/.test(file)) continue;
    const path = join(target, name, file);
    const base = relative(dirname(path), join(target, 'base', 'index'));
    const text = readFileSync(join(from, file), 'utf8')
      .replace(/\n?\/\/# sourceMappingURL=.*\s*$/, '\n')
      .replaceAll("'@llmos/base'", `'${base.startsWith('.') ? base : `./${base}`}'`);
    if (text.includes("'@llmos/")) throw new Error(`${file} imports a package of the workspace`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}

function run(program, args, cwd) {
  const outcome = spawnSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 2] });
  if (outcome.status === 0) return outcome.stdout;
  process.stderr.write(outcome.stdout ?? '');
  process.exit(outcome.status ?? 1);
}

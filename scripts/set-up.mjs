// Makes a fresh checkout ready to run: checks Node, installs dependencies, builds. Needs nothing but
// Node itself, and does nothing where everything is there already.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const OLDEST_NODE = 20;
const STILL_MS = 15_000;

/** Ends the program with a message for people. */
export function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** @param projects folders with a tsconfig.json; default: the whole tree. */
export async function setUp(projects = ['.']) {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < OLDEST_NODE) {
    fail(`llmos needs Node ${OLDEST_NODE} or newer; this is ${process.version}`);
  }
  await install();
  await build(projects);
}

async function install() {
  const lock = join(root, 'package-lock.json');
  const stamp = join(root, 'node_modules', '.llmos-lock');
  const digest = createHash('sha256').update(readFileSync(lock)).digest('hex');
  if (isInstalled(lock, stamp, digest)) return;
  const npm = process.env.npm_execpath;
  const [file, first] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
  const args = [...first, 'ci', '--no-fund', '--no-audit', '--loglevel=error'];
  await step('installing dependencies', file, args);
  writeFileSync(stamp, digest);
}

function isInstalled(lock, stamp, digest) {
  if (existsSync(stamp)) return readFileSync(stamp, 'utf8') === digest;
  const installed = join(root, 'node_modules', '.package-lock.json');
  return existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs;
}

async function build(projects) {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  await step('building', process.execPath, [tsc, '-b', ...projects]);
}

/** Runs a command, says how long it takes while it takes long, and shows what it wrote if it fails. */
function step(name, file, args) {
  const startMs = performance.now();
  const seconds = () => Math.round((performance.now() - startMs) / 1000);
  process.stderr.write(`${name} …\n`);
  const still = setInterval(() => {
    process.stderr.write(`${name} … (${seconds()} s)\n`);
  }, STILL_MS);
  return new Promise((resolve) => {
    const child = spawn(file, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (part) => {
      output = (output + part).slice(-16_384);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => fail(`${name} failed: ${error.message}`));
    child.on('close', (code) => {
      clearInterval(still);
      if (code !== 0) fail(`${output}\n${name} failed (${[file, ...args].join(' ')})`);
      resolve();
    });
  });
}

/** Runs a command with our own streams; answers its exit code. */
export function run(file, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(file, args, { cwd: root, stdio: 'inherit', ...options });
    child.on('error', (error) => fail(`${file} did not start: ${error.message}`));
    child.on('close', (code, signal) => resolve(code ?? (signal === null ? 1 : 130)));
  });
}

/**
 * NATS with passwords and TLS, as SECURITY.md says: every program works with it, and says at its
 * start what anyone may reach without a password.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isRecord } from '@llmos/base';
import { startNatsServer } from '../support/nats-server';
import type { TestNatsServer } from '../support/nats-server';
import { LONG_LEASES, startKernel, startWorker } from '../support/programs';
import type { TestProgram } from '../support/programs';
import { repositoryFolder } from '../support/shared-folder';
import { waitFor } from '../support/wait-for';

let folder: string;
let server: TestNatsServer | undefined;
const programs: TestProgram[] = [];

beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'llmos-guarded-'))));
afterEach(async () => {
  for (const program of programs.splice(0)) await program.kill();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function start(
  name: 'kernel' | 'worker',
  env: Readonly<Record<string, string>>,
): Promise<TestProgram> {
  const common = { ...LONG_LEASES, LLMOS_CACHE_DIR: folder, LLMOS_DEVICE: 'cpu' };
  const options = { env: { ...common, LLMOS_STORAGE_BYTES: String(256 * 1024 ** 2), ...env } };
  const program = await (name === 'kernel' ? startKernel(options) : startWorker(options));
  programs.push(program);
  return program;
}

/** What the program says that anyone may reach; undefined: it says nothing of the kind. */
function openIn(program: TestProgram): unknown {
  const lines = program.log().split('\n');
  const warning = lines.find((line) => line.includes('"open-to-the-network"'));
  if (warning === undefined) return undefined;
  const fields: unknown = JSON.parse(warning);
  return isRecord(fields) ? fields['open'] : undefined;
}

function hasOpenssl(): boolean {
  return spawnSync('openssl', ['version']).status === 0;
}

/** Of a server on this machine, signed by itself. */
function makeCertificate(): { readonly cert: string; readonly key: string } {
  const [cert, key] = [join(folder, 'server.pem'), join(folder, 'server-key.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const files = ['-keyout', key, '-out', cert];
  const kind = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2'];
  const made = spawnSync('openssl', ['req', ...kind, ...subject, ...files], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`openssl made no certificate: ${made.stderr}`);
  return { cert, key };
}

/** Runs `llmos` as a user does. */
function llmos(args: readonly string[], env: Readonly<Record<string, string>>) {
  const file = join(repositoryFolder, 'packages', 'cli', 'dist', 'llmos-main.js');
  return spawnSync(process.execPath, [file, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 120_000,
  });
}

(hasOpenssl() ? it : it.skip)(
  'kernel, worker and command work over tls:// with a user, and refuse without the certificate',
  async () => {
    const { cert, key } = makeCertificate();
    const user = '{ user: llmos, password: "p w%" }';
    server = await startNatsServer({
      config: `authorization { users: [${user}] }\ntls { cert_file: "${cert}", key_file: "${key}" }`,
    });
    // By name: the NATS client checks no certificate against an address.
    const named = server.url.replace('127.0.0.1', 'localhost');
    const url = named.replace('nats://', 'tls://llmos:p%20w%25@');
    const trusted = { LLMOS_SERVERS: url, NODE_EXTRA_CA_CERTS: cert };
    const kernel = await start('kernel', trusted);
    const worker = await start('worker', trusted);
    const answer = llmos(['run', 'echo', '{"a":1}', '--json'], trusted);
    expect(JSON.parse(answer.stdout)).toEqual({ a: 1 });
    expect([openIn(kernel), openIn(worker)]).toEqual([undefined, undefined]);
    for (const program of [kernel, worker]) expect(program.log()).not.toContain('p w%');

    const distrusting = llmos(['ps', '--json'], { LLMOS_SERVERS: url, NODE_EXTRA_CA_CERTS: '' });
    expect(distrusting.status).not.toBe(0);
    expect(`${distrusting.stdout}${distrusting.stderr}`).toMatch(/self[- ]signed certificate/);
    const unknown = llmos(['ps', '--json'], {
      LLMOS_SERVERS: named.replace('nats://', 'tls://llmos:wrong@'),
      NODE_EXTRA_CA_CERTS: cert,
    });
    expect(unknown.status).not.toBe(0);
    expect(`${unknown.stdout}${unknown.stderr}`).toMatch(/refuses the credentials/);
  },
);

it('a kernel and a worker that listen to other machines warn of what anyone may reach', async () => {
  server = await startNatsServer();
  const env = { LLMOS_SERVERS: server.url, LLMOS_HTTP_HOST: '0.0.0.0', LLMOS_GRPC_HOST: '::' };
  const kernel = await start('kernel', env);
  const worker = await start('worker', env);
  expect(openIn(kernel)).toEqual([
    expect.stringMatching(/^http 0\.0\.0\.0:\d+$/),
    expect.stringMatching(/^grpc \[::\]:\d+$/),
  ]);
  await waitFor(() => openIn(worker) !== undefined, { what: 'the warning of the worker' });
  expect(openIn(worker)).toEqual([expect.stringMatching(/^http 0\.0\.0\.0:\d+$/)]);
});

it('the image and the compose file say nothing else than SECURITY.md of what they publish', () => {
  const page = readFileSync(join(repositoryFolder, 'SECURITY.md'), 'utf8');
  for (const port of ['4222', '9090']) expect(page).toContain(port);
  const compose = readFileSync(join(repositoryFolder, 'deploy', 'compose.yaml'), 'utf8');
  const published = [...compose.matchAll(/^ +- ["']?([^\s"']+:\d+)["']?$/gm)].map(([, at]) => at);
  expect(published.filter((at) => at?.startsWith('127.0.0.1:') !== true)).toEqual([]);
});

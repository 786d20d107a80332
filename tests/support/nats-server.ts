/**
 * A real NATS server for one test file: a free port, a store of its own, gone when stopped.
 * `LLMOS_TEST_NATS_SERVER` names the server program to use instead of the one found.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findNatsServer, isPortFree } from '@llmos/local';
import { waitFor } from './wait-for';

export interface NatsServerOptions {
  /** Default true. */
  readonly jetstream?: boolean;
  /** What JetStream may hold on disk. Default: the server's own. */
  readonly maxStoreBytes?: number;
  /** More lines of the server's configuration file. */
  readonly config?: string;
  /** The server program. Default: `natsServerPath()`. */
  readonly program?: string;
}

export interface TestNatsServer {
  readonly url: string;
  readonly port: number;
  /** What a stream holds lies below it. */
  messagesFolder(stream: string): string;
  /** Ends the server and removes its store. */
  stop(): Promise<void>;
  /** Ends the server at once (SIGKILL); its store stays. */
  kill(): Promise<void>;
  /** Ends the server cleanly if it runs, and starts it on the same port and store. */
  restart(changes?: NatsServerOptions): Promise<void>;
}

/** Options of JetStream clients in tests: a busy disk must not fail a test. */
export const PATIENT = { timeout: 30_000 } as const;

const READY_MS = 60_000;
const TRIES = 5;
const running = new Set<ChildProcess>();
let launches = 0;
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

let found: Promise<string> | undefined;

export function natsServerPath(): Promise<string> {
  const chosen = process.env['LLMOS_TEST_NATS_SERVER'];
  found ??=
    chosen === undefined ? findNatsServer().then(({ path }) => path) : Promise.resolve(chosen);
  return found;
}

export async function startNatsServer(options: NatsServerOptions = {}): Promise<TestNatsServer> {
  const found = await natsServerPath();
  const folder = mkdtempSync(join(tmpdir(), 'llmos-nats-'));
  for (let attempt = 1; ; attempt += 1) {
    const port = await choosePort();
    const start = (changes: NatsServerOptions = {}): Promise<ChildProcess> => {
      const chosen = { ...options, ...changes };
      return launch({ path: chosen.program ?? found, folder, port, options: chosen });
    };
    try {
      return control({ folder, port, start, first: await start() });
    } catch (error) {
      // Someone may have taken the port between the choice and its use.
      if (attempt === TRIES) throw error;
    }
  }
}

/**
 * Below the ports that the system gives to connections: none of them, and no client that tries to
 * connect again, takes it while the server is away.
 */
async function choosePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 32_000);
    if (await isPortFree(port)) return port;
  }
}

interface Launch {
  readonly path: string;
  readonly folder: string;
  readonly port: number;
  readonly options: NatsServerOptions;
}

async function launch(of: Launch): Promise<ChildProcess> {
  const config = join(of.folder, 'nats.conf');
  launches += 1;
  const log = join(of.folder, `nats-${launches}.log`);
  const store = join(of.folder, 'store');
  const { maxStoreBytes } = of.options;
  const most = maxStoreBytes === undefined ? '' : `, max_file_store: ${maxStoreBytes}`;
  const settings = `jetstream { store_dir: "${store}"${most} }`;
  const jetstream = of.options.jetstream === false ? '' : settings;
  const lines = ['host: "127.0.0.1"', `port: ${of.port}`, jetstream, of.options.config ?? ''];
  writeFileSync(config, lines.join('\n'));
  const child = spawn(of.path, ['-c', config, '-l', log], { stdio: 'ignore' });
  running.add(child);
  const gone = new AbortController();
  child.once('exit', () => {
    running.delete(child);
    gone.abort();
  });
  child.once('error', () => gone.abort());
  // Its own word, for another server on this port would also answer.
  const isListening = (): boolean => readLog(log).includes('Listening for client connections');
  try {
    await waitFor(() => gone.signal.aborted || isListening(), {
      what: 'nats-server to listen',
      limitMs: READY_MS,
    });
  } catch (error) {
    child.kill('SIGKILL');
    throw new Error(`nats-server did not start: ${tail(log)}`, { cause: error });
  }
  if (gone.signal.aborted) throw new Error(`nats-server ended at once: ${tail(log)}`);
  return child;
}

function control(of: {
  readonly folder: string;
  readonly port: number;
  readonly start: (changes?: NatsServerOptions) => Promise<ChildProcess>;
  readonly first: ChildProcess;
}): TestNatsServer {
  let child = of.first;
  return {
    url: `nats://127.0.0.1:${of.port}`,
    port: of.port,
    messagesFolder: (stream) =>
      join(of.folder, 'store', 'jetstream', '$G', 'streams', stream, 'msgs'),
    stop: async () => {
      await end(child, 'SIGTERM');
      rmSync(of.folder, { recursive: true, force: true });
    },
    kill: () => end(child, 'SIGKILL'),
    restart: async (changes) => {
      await end(child, 'SIGTERM');
      child = await of.start(changes);
    },
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  const last = setTimeout(() => child.kill('SIGKILL'), 30_000);
  await exited;
  clearTimeout(last);
}

function tail(log: string): string {
  return readLog(log).split('\n').slice(-5).join(' | ');
}

function readLog(log: string): string {
  try {
    return readFileSync(log, 'utf8');
  } catch {
    return 'no log';
  }
}

/**
 * The server found, and those that `LLMOS_TEST_NATS_SERVERS` names (programs, comma-separated): for
 * what differs from version to version. Rows of `describe.each`.
 */
export function natsServerPrograms(): readonly (readonly [string, string | undefined])[] {
  const listed = process.env['LLMOS_TEST_NATS_SERVERS']?.split(',').filter((path) => path !== '');
  if (listed === undefined || listed.length === 0) return [['the server found', undefined]];
  return listed.map((path) => [path, path] as const);
}

/** The NATS server of a system on one machine: found, configured, started and supervised. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LlmosError } from '@llmos/base';
import { LOCAL_LIMITS } from '../../limits';
import { formatNatsConfig } from '../../nats/nats-config';
import { formatNatsVersion } from '../../nats/nats-version';
import type { ReportNotice } from '../../programs/system-notice';
import { parseNatsReady } from '../../programs/ready-message';
import type { NatsReady } from '../../programs/ready-message';
import { freePort, isPortFree } from './free-port';
import type { LocalStorage } from './local-storage';
import { findNatsServer } from './nats-finder';
import { probeNats } from './nats-probe';
import { natsStoreFolder } from './store-files';
import { SupervisedProgram } from './supervised-program';

export const DEFAULT_NATS_PORT = 4222;

export interface LocalNatsOptions {
  readonly dataFolder: string;
  readonly logFolder: string;
  readonly watchdogFile: string;
  readonly storage: LocalStorage;
  readonly report: ReportNotice;
  readonly signal?: AbortSignal;
}

export interface LocalNats {
  readonly url: string;
  /** Ends it, by force where it hangs, and starts it again on the same store. */
  renew(reason: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startLocalNats(options: LocalNatsOptions): Promise<LocalNats> {
  const { report } = options;
  const program = await findNatsServer({ report: (text) => report({ kind: 'progress', text }) });
  const version = formatNatsVersion(program.version);
  report({ kind: 'nats-found', path: program.path, version });
  options.storage.admitServer(program);
  const isDefaultFree = await isPortFree(DEFAULT_NATS_PORT);
  for (let attempt = 1; ; attempt += 1) {
    options.signal?.throwIfAborted();
    const port = isDefaultFree && attempt === 1 ? DEFAULT_NATS_PORT : await freePort();
    const server = supervised({ ...options, serverFile: program.path, port });
    try {
      await server.start();
    } catch (error) {
      const mayBeTaken = !(await isPortFree(port));
      if (mayBeTaken && attempt < LOCAL_LIMITS.portTries) continue;
      throw error;
    }
    if (port !== DEFAULT_NATS_PORT) {
      report({ kind: 'port-taken', wanted: DEFAULT_NATS_PORT, chosen: port });
    }
    const url = `nats://127.0.0.1:${port}`;
    report({ kind: 'nats-started', url, version });
    const renew = (reason: string): Promise<void> => server.renew(reason);
    return { url, renew, stop: () => server.stop() };
  }
}

function supervised(
  of: LocalNatsOptions & { readonly serverFile: string; readonly port: number },
): SupervisedProgram<NatsReady> {
  const storeFolder = natsStoreFolder(of.dataFolder);
  const configFile = join(of.dataFolder, 'nats-server.conf');
  const serverLog = join(of.logFolder, 'nats-server.log');
  mkdirSync(storeFolder, { recursive: true });
  writeFileSync(
    configFile,
    formatNatsConfig({ port: of.port, storeFolder, storeBytes: of.storage.plan.storeBytes }),
  );
  return new SupervisedProgram<NatsReady>(
    {
      name: 'nats-server',
      file: of.watchdogFile,
      args: [of.serverFile, configFile, String(of.port), serverLog],
      settings: () => ({}),
      logFile: join(of.logFolder, 'nats-watchdog.log'),
      otherLogFile: serverLog,
      readyMs: LOCAL_LIMITS.natsReadyMs + LOCAL_LIMITS.natsStopMs,
      parseReady: parseNatsReady,
    },
    of.report,
  );
}

/**
 * Checks that something usable answers at the first of the URLs: a kernel would wait for it for
 * long, a person wants to know at once. Addresses that can't be judged from here pass.
 */
export async function assertNatsAnswers(urls: string): Promise<void> {
  const first = urls.split(',')[0]?.trim() ?? '';
  const match = /^nats:\/\/(?:[^@/]*@)?([^:/[\]]+)(?::(\d{1,5}))?\/?$/.exec(first);
  if (match === null) return;
  const address = { host: match[1] ?? '', port: Number(match[2] ?? DEFAULT_NATS_PORT) };
  const greeting = await probeNats(address);
  if (greeting === undefined) {
    throw new LlmosError('UNAVAILABLE', `no NATS server answers at ${first}`);
  }
  if (!greeting.hasJetStream) {
    throw new LlmosError(
      'FAILED_PRECONDITION',
      `the NATS server at ${first} runs without JetStream; start it with: nats-server -js`,
    );
  }
}

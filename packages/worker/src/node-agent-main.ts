/** The worker program: `node node-agent-main.js`, configured by LLMOS_… in the environment. */
import { createLogger, toErrorBody } from '@llmos/base';
import type { Logger, ProgramReady } from '@llmos/base';
import type { WorkerConfig } from './config';
import { parseWorkerConfig } from './config';
import { AGENT_LIMITS } from './limits';
import type { NodeAgent } from './node-agent';
import { startNodeAgent } from './node-agent';

const BAD_CONFIG = 2;

function readConfig(): WorkerConfig {
  try {
    return parseWorkerConfig(process.env);
  } catch (thrown) {
    process.stderr.write(`llmos worker: ${toErrorBody(thrown).message}\n`);
    return process.exit(BAD_CONFIG);
  }
}

async function main(): Promise<void> {
  const config = readConfig();
  const log = createLogger({ program: 'worker', level: config.logLevel }).with({
    node: config.node,
  });
  const abort = new AbortController();
  const agent = startNodeAgent({ config, log, signal: abort.signal });
  const stop = (why: string): void => {
    if (abort.signal.aborted) return;
    log.info('worker-stopping', { why });
    abort.abort();
    setTimeout(() => {
      log.warn('worker-stop-cut-short', { afterMs: AGENT_LIMITS.ownStopMs });
      process.exit(1);
    }, AGENT_LIMITS.ownStopMs);
    void end(agent, log);
  };
  process.on('unhandledRejection', (error) => fail(log, error));
  process.on('uncaughtException', (error) => fail(log, error));
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  if (process.send !== undefined) process.once('disconnect', () => stop('its starter is gone'));
  try {
    const { httpUrl, lost } = await agent;
    if (abort.signal.aborted) return;
    // Whoever starts it again starts it with what is right now.
    void lost.then((error) => fail(log, error));
    log.info('worker-ready', { httpUrl });
    const ready: ProgramReady = {
      kind: 'program-ready',
      program: 'worker',
      id: config.node,
      httpUrl,
    };
    process.send?.(ready, undefined, undefined, () => undefined);
  } catch (thrown) {
    if (!abort.signal.aborted) fail(log, thrown);
  }
}

/** The hosts end with their channel to this program. */
function fail(log: Logger, error: unknown): never {
  log.error('worker-failed', { error });
  process.exit(1);
}

/** An agent that was stopped while it started has nothing to end. */
async function end(agent: Promise<NodeAgent>, log: Logger): Promise<void> {
  try {
    await (await agent).close();
    log.info('worker-stopped');
  } catch (thrown) {
    log.debug('worker-stopped-early', { message: toErrorBody(thrown).message });
  }
  process.exit(0);
}

void main();

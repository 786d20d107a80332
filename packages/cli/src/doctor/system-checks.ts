/** What `llmos doctor` looks at in a running system, from the server up to a task's way round. */
import { parseServerUrls, toErrorBody } from '@llmos/base';
import { probeNats } from '@llmos/local';
import { connect } from '@llmos/sdk';
import type { LlmosClient, SystemInfo } from '@llmos/sdk';
import { CLI_LIMITS } from '../limits';
import { formatMs } from '../output/units';
import type { Check } from './check';
import { ok, problem, skipped } from './check';
import { checkClocks, checkModels, checkNatsVersion, checkNodes, checkStream } from './verdicts';

const DEFAULT_PORT = 4222;
const SYSTEM_CALL = { timeoutMs: CLI_LIMITS.doctorCallMs } as const;

export interface SystemLook {
  /** Comma-separated URLs. */
  readonly servers: string;
  readonly tenant: string;
  readonly signal: AbortSignal;
}

export async function checkSystem(look: SystemLook): Promise<Check[]> {
  const checks = await lookAtServers(look.servers);
  if (!checks.some((check) => check.name === 'jetstream' && check.state === 'ok')) return checks;
  let client: LlmosClient;
  try {
    client = await connect({ ...look, name: 'llmos-doctor' });
  } catch (error) {
    return [...checks, failed('login', error, 'check the credentials of the NATS URL')];
  }
  try {
    return [...checks, ...(await lookAtSystem(client, look.signal))];
  } finally {
    await client.close();
  }
}

/** The first server that answers, and whether it has JetStream. */
async function lookAtServers(servers: string): Promise<Check[]> {
  let urls: readonly string[];
  try {
    urls = parseServerUrls(servers.split(',').map((server) => server.trim())).servers;
  } catch (error) {
    return [failed('nats', error, 'correct --nats, LLMOS_SERVERS or the configuration file')];
  }
  for (const text of urls) {
    const url = new URL(text);
    const address = { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) };
    const port = address.port === 0 ? DEFAULT_PORT : address.port;
    const greeting = await probeNats({ ...address, port });
    if (greeting === undefined) continue;
    const jetstream = greeting.hasJetStream
      ? ok('jetstream', 'on')
      : problem('jetstream', 'off', 'add `jetstream {}` to the server’s configuration');
    return [checkNatsVersion('nats', greeting.version, `at ${text}`), jetstream];
  }
  const advice = 'start it, or name another with --nats; see that no firewall is between';
  return [problem('nats', `no NATS server answers at ${urls.join(', ')}`, advice)];
}

async function lookAtSystem(client: LlmosClient, signal: AbortSignal): Promise<Check[]> {
  const streams = await lookAtStreams(client);
  const { kernel, info } = await lookAtKernel(client);
  if (info === undefined) return [...streams, kernel];
  try {
    const [nodes, models, processes] = await Promise.all([
      client.nodes(SYSTEM_CALL),
      client.models(SYSTEM_CALL),
      client.ps(SYSTEM_CALL),
    ]);
    const node = checkNodes(nodes);
    const fleet = checkModels({ models, nodes, processes });
    const trip =
      node.state === 'problem'
        ? [skipped('round trip', 'no node is alive')]
        : [await goRound(client, signal)];
    return [...streams, kernel, node, ...checkClocks(info, nodes), ...fleet, ...trip];
  } catch (error) {
    return [...streams, kernel, failed('nodes', error, 'see the kernel’s log')];
  }
}

async function lookAtStreams(client: LlmosClient): Promise<Check[]> {
  try {
    return (await client.streams()).map(checkStream);
  } catch (error) {
    return [failed('streams', error, 'kernels make them when they start: start one')];
  }
}

async function lookAtKernel(
  client: LlmosClient,
): Promise<{ readonly kernel: Check; readonly info?: SystemInfo }> {
  try {
    const info = await client.info(SYSTEM_CALL);
    const found = `${info.kernel} leads (version ${info.version}, epoch ${info.epoch})`;
    return { kernel: ok('kernel', found), info };
  } catch (error) {
    const advice = 'start one (`llmos up`), or see its log: does it reach NATS?';
    return { kernel: failed('kernel', error, advice) };
  }
}

async function goRound(client: LlmosClient, signal: AbortSignal): Promise<Check> {
  const began = performance.now();
  try {
    const task = await client.submit('echo', 'doctor', { class: 'interactive', signal });
    await task.result({ timeoutMs: CLI_LIMITS.doctorTripMs, signal });
    return ok('round trip', `an echo came back after ${formatMs(performance.now() - began)}`);
  } catch (error) {
    const advice = 'look at `llmos ps`, `llmos events` and the logs of kernel and worker';
    return failed('round trip', error, advice);
  }
}

function failed(name: string, error: unknown, advice: string): Check {
  const { code, message } = toErrorBody(error);
  return problem(name, `${message} (${code})`, advice);
}

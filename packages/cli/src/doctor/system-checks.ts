/** What `llmos doctor` looks at in a running system, from the server up to a task's way round. */
import { setTimeout } from 'node:timers/promises';
import { parseServerUrls, toErrorBody } from '@llmos/base';
import { probeNats } from '@llmos/local';
import { connect } from '@llmos/sdk';
import type { LlmosClient, StreamDescription, SystemInfo } from '@llmos/sdk';
import { CLI_LIMITS } from '../limits';
import { formatMs } from '../output/units';
import type { Check } from './check';
import { ok, problem, skipped } from './check';
import type { LocalDisk } from './storage-verdicts';
import { adviceForSilence, adviceForStreams, checkTimeUntilFull } from './storage-verdicts';
import {
  checkClocks,
  checkEpochs,
  checkModels,
  checkNatsVersion,
  checkNodes,
  checkStream,
} from './verdicts';

const DEFAULT_PORT = 4222;
const SYSTEM_CALL = { timeoutMs: CLI_LIMITS.doctorCallMs } as const;

export interface SystemLook {
  /** Comma-separated URLs. */
  readonly servers: string;
  readonly tenant: string;
  readonly signal: AbortSignal;
  /** Of the server, where `llmos up` runs it here. */
  readonly disk?: LocalDisk;
}

export async function checkSystem(look: SystemLook): Promise<Check[]> {
  const checks = await lookAtServers(look);
  if (!checks.some((check) => check.name === 'jetstream' && check.state === 'ok')) return checks;
  let client: LlmosClient;
  try {
    client = await connect({ ...look, name: 'llmos-doctor' });
  } catch (error) {
    const advice = adviceForSilence('check the credentials of the NATS URL', look.disk);
    return [...checks, failed('login', error, advice)];
  }
  try {
    return [...checks, ...(await lookAtSystem(client, look))];
  } finally {
    await client.close();
  }
}

/** The first server that answers, and whether it has JetStream. */
async function lookAtServers({ servers, disk }: SystemLook): Promise<Check[]> {
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
  const usual =
    disk === undefined
      ? 'start it, or name another with --nats; see that no firewall is between'
      : 'the running `llmos up` starts it again; see `llmos logs`';
  const advice = adviceForSilence(usual, disk);
  return [problem('nats', `no NATS server answers at ${urls.join(', ')}`, advice)];
}

async function lookAtSystem(client: LlmosClient, look: SystemLook): Promise<Check[]> {
  const beganMs = performance.now();
  const { streams, checks } = await lookAtStreams(client, look);
  const { kernel, info } = await lookAtKernel(client, look);
  if (info === undefined) return [...checks, kernel];
  try {
    const [nodes, models, processes] = await Promise.all([
      client.nodes(SYSTEM_CALL),
      client.models(SYSTEM_CALL),
      client.ps(SYSTEM_CALL),
    ]);
    const room = await lookAtRoom(client, look, { streams, beganMs });
    const node = checkNodes(nodes);
    const fleet = [...checkEpochs(info, processes), ...checkModels({ models, nodes, processes })];
    const trip =
      node.state === 'problem'
        ? [skipped('round trip', 'no node is alive')]
        : [await goRound(client, look)];
    return [...checks, ...room, kernel, node, ...checkClocks(info, nodes), ...fleet, ...trip];
  } catch (error) {
    const advice = adviceForSilence('see the kernel’s log', look.disk);
    return [...checks, kernel, failed('nodes', error, advice)];
  }
}

async function lookAtStreams(
  client: LlmosClient,
  look: SystemLook,
): Promise<{ readonly streams: readonly StreamDescription[]; readonly checks: Check[] }> {
  try {
    const streams = await client.streams();
    return { streams, checks: streams.map(checkStream) };
  } catch (error) {
    const advice = adviceForStreams(toErrorBody(error).message, look.disk);
    return { streams: [], checks: [failed('streams', error, advice)] };
  }
}

/** A second look at the streams, some time after the first. */
async function lookAtRoom(
  client: LlmosClient,
  { disk, signal }: SystemLook,
  first: { readonly streams: readonly StreamDescription[]; readonly beganMs: number },
): Promise<Check[]> {
  if (first.streams.length === 0) return [];
  const leftMs = first.beganMs + CLI_LIMITS.doctorRateMs - performance.now();
  if (leftMs > 0) await setTimeout(leftMs, undefined, { signal });
  const second = await client.streams();
  const elapsedMs = performance.now() - first.beganMs;
  const looks = { first: first.streams, second, elapsedMs };
  return [checkTimeUntilFull({ ...looks, ...(disk === undefined ? {} : { disk }) })];
}

async function lookAtKernel(
  client: LlmosClient,
  look: SystemLook,
): Promise<{ readonly kernel: Check; readonly info?: SystemInfo }> {
  try {
    const info = await client.info(SYSTEM_CALL);
    const found = `${info.kernel} leads (version ${info.version}, epoch ${info.epoch})`;
    return { kernel: ok('kernel', found), info };
  } catch (error) {
    const usual = 'start one (`llmos up`), or see its log: does it reach NATS?';
    return { kernel: failed('kernel', error, adviceForSilence(usual, look.disk)) };
  }
}

async function goRound(client: LlmosClient, { signal, disk }: SystemLook): Promise<Check> {
  const began = performance.now();
  try {
    const task = await client.submit('echo', 'doctor', { class: 'interactive', signal });
    await task.result({ timeoutMs: CLI_LIMITS.doctorTripMs, signal });
    return ok('round trip', `an echo came back after ${formatMs(performance.now() - began)}`);
  } catch (error) {
    const advice = 'look at `llmos ps`, `llmos events` and the logs of kernel and worker';
    return failed('round trip', error, adviceForSilence(advice, disk));
  }
}

function failed(name: string, error: unknown, advice: string): Check {
  const { code, message } = toErrorBody(error);
  return problem(name, `${message} (${code})`, advice);
}

/** Three real NATS servers of one cluster for a test, each with a store of its own. */
import { randomInt } from 'node:crypto';
import { isPortFree } from '@llmos/local';
import type { NatsServerOptions, TestNatsServer } from './nats-server';
import { startNatsServer } from './nats-server';

export interface TestNatsCluster {
  /** Of all servers, comma-separated. */
  readonly url: string;
  readonly servers: readonly TestNatsServer[];
  stop(): Promise<void>;
}

const SIZE = 3;
let clusters = 0;

/** Its servers may still be choosing their leader when this resolves. */
export async function startNatsCluster(options: NatsServerOptions = {}): Promise<TestNatsCluster> {
  const configs = await clusterConfigs();
  const starts = configs.map((config) =>
    startNatsServer({ ...options, config: [config, options.config ?? ''].join('\n') }),
  );
  const outcomes = await Promise.allSettled(starts);
  const servers = outcomes.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop()));
  };
  const failed = outcomes.find((each) => each.status === 'rejected');
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }
  return { url: servers.map(({ url }) => url).join(','), servers, stop };
}

/** What makes three servers one cluster: lines for the configuration file of each. */
export async function clusterConfigs(): Promise<readonly string[]> {
  const ports = await freePorts();
  clusters += 1;
  const routes = ports.map((port) => `"nats-route://127.0.0.1:${port}"`).join(', ');
  return ports.map((port, index) =>
    [
      `server_name: "test-${clusters}-${index}"`,
      'cluster {',
      `  name: "test-${clusters}"`,
      `  listen: "127.0.0.1:${port}"`,
      `  routes: [${routes}]`,
      '}',
    ].join('\n'),
  );
}

/** Below the ports that the system gives to connections, as in nats-server.ts. */
async function freePorts(): Promise<readonly number[]> {
  const ports = new Set<number>();
  while (ports.size < SIZE) {
    const port = randomInt(10_000, 32_000);
    if (await isPortFree(port)) ports.add(port);
  }
  return [...ports];
}

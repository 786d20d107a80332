/**
 * Which system a command talks to: --nats, LLMOS_SERVERS or the configuration file (see
 * settings/apply-settings.ts), then the running `llmos up`.
 */
import { LlmosError } from '@llmos/base';
import { defaultStateFolder, readRunningSystem } from '@llmos/local';
import { connect } from '@llmos/sdk';
import type { LlmosClient } from '@llmos/sdk';
import type { CommonOptions } from './command-host';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Throws UNAVAILABLE, with what to do, where no system is found. */
export function findServers(options: CommonOptions, env: Environment): string {
  if (options.nats !== undefined) return options.nats;
  const folder = options.data ?? defaultStateFolder(env);
  const running = readRunningSystem(folder);
  if (running !== undefined) return running.natsUrl;
  throw new LlmosError(
    'UNAVAILABLE',
    'no running system was found: start one with `llmos up`, ' +
      'or name its NATS server with --nats URL or LLMOS_SERVERS',
    { details: { folder } },
  );
}

export async function withClient<T>(
  options: CommonOptions,
  env: Environment,
  use: (client: LlmosClient) => Promise<T>,
): Promise<T> {
  const client = await connect({
    servers: findServers(options, env),
    tenant: options.tenant,
    name: 'llmos-cli',
  });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

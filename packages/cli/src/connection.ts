/**
 * Which system a command talks to: --nats, LLMOS_SERVERS or the configuration file (see
 * settings/apply-settings.ts), then the running `llmos up`.
 */
import { LlmosError } from '@llmos/base';
import { defaultStateFolder, readRunningSystem } from '@llmos/local';
import { connect } from '@llmos/sdk';
import type { LlmosClient } from '@llmos/sdk';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Options of every command that talks to a system. */
export interface CommonOptions {
  readonly nats?: string;
  readonly data?: string;
  readonly tenant: string;
  readonly json?: boolean;
}

/** Throws UNAVAILABLE, with what to do, where no system is found. */
export function findServers(options: CommonOptions, env: Environment): string {
  if (options.nats !== undefined) return options.nats;
  const folder = options.data ?? defaultStateFolder(env);
  const running = readRunningSystem(folder, { isStartingToo: true });
  if (running?.state === 'ready') return running.natsUrl;
  if (running !== undefined) {
    const message = `the system in ${folder} (pid ${running.osPid}) is starting; try again soon`;
    throw new LlmosError('UNAVAILABLE', message, { details: { folder } });
  }
  throw new LlmosError(
    'UNAVAILABLE',
    `no running system was found in ${folder}: start one with \`llmos up\`, name the folder of ` +
      'another with --data DIR, or its NATS server with --nats URL or LLMOS_SERVERS',
    { details: { folder } },
  );
}

/** @param of what is known of whoever runs the command; its signal ends connecting. */
export async function withClient<T>(
  options: CommonOptions,
  of: { readonly env: Environment; readonly signal: AbortSignal },
  use: (client: LlmosClient) => Promise<T>,
): Promise<T> {
  const client = await connect({
    servers: findServers(options, of.env),
    tenant: options.tenant,
    name: 'llmos-cli',
    signal: of.signal,
  });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

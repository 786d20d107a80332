/** Asks whether a NATS server answers on a port: reads the greeting that it sends to everyone. */
import { createConnection } from 'node:net';
import { LlmosError, isRecord } from '@llmos/base';
import { LOCAL_LIMITS } from '../../limits';

export interface NatsGreeting {
  readonly version: string;
  readonly hasJetStream: boolean;
}

export interface NatsAddress {
  readonly host: string;
  readonly port: number;
}

/** undefined where nothing answers, or something that is not a NATS server. */
export function probeNats(address: NatsAddress): Promise<NatsGreeting | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection(address);
    let text = '';
    const finish = (greeting: NatsGreeting | undefined): void => {
      socket.destroy();
      resolve(greeting);
    };
    socket.setEncoding('utf8');
    socket.setTimeout(LOCAL_LIMITS.natsProbeMs, () => finish(undefined));
    socket.on('error', () => finish(undefined));
    socket.on('close', () => finish(undefined));
    socket.on('data', (part: string) => {
      text += part;
      const end = text.indexOf('\r\n');
      if (end >= 0) finish(parseGreeting(text.slice(0, end)));
      else if (text.length > LOCAL_LIMITS.natsGreetingBytes) finish(undefined);
    });
  });
}

function parseGreeting(line: string): NatsGreeting | undefined {
  if (!line.startsWith('INFO ')) return undefined;
  try {
    const value: unknown = JSON.parse(line.slice('INFO '.length));
    if (!isRecord(value) || typeof value['version'] !== 'string') return undefined;
    return { version: value['version'], hasJetStream: value['jetstream'] === true };
  } catch {
    return undefined;
  }
}

/** Waits until a server answers; throws UNAVAILABLE after the limit. */
export async function waitForNats(
  address: NatsAddress,
  options: { readonly limitMs: number; readonly signal?: AbortSignal },
): Promise<NatsGreeting> {
  const endMs = performance.now() + options.limitMs;
  while (performance.now() < endMs && options.signal?.aborted !== true) {
    const greeting = await probeNats(address);
    if (greeting !== undefined) return greeting;
    await new Promise((resolve) => setTimeout(resolve, LOCAL_LIMITS.natsProbeRetryMs));
  }
  const where = `${address.host}:${address.port}`;
  throw new LlmosError('UNAVAILABLE', `no NATS server answers on ${where}`, {
    details: { ...address, limitMs: options.limitMs },
  });
}

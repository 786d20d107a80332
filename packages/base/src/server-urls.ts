/** The NATS servers of `LLMOS_SERVERS` and `--nats`, read the same way by every program. */
import { LlmosError } from './errors';
import { quoteShort } from './ids';

export interface ServerUrls {
  /** Without credentials, so that they can stand in a message. */
  readonly servers: readonly string[];
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  /** Whether a server is named by `tls://`, a scheme that the NATS client ignores. */
  readonly isTls: boolean;
}

/**
 * Takes the credentials out of `nats://user:pass@host` and `nats://token@host`, which the NATS
 * client does not read; those of the first server that has some are used for all.
 */
export function parseServerUrls(servers: readonly string[]): ServerUrls {
  const urls = servers.map(parseServer);
  const named = urls.find((url) => url.username !== '');
  const plain = urls.map((url) => {
    const copy = new URL(url);
    copy.username = '';
    copy.password = '';
    return copy.href.replace(/\/$/, '');
  });
  const isTls = urls.some((url) => url.protocol === 'tls:');
  if (named === undefined) return { servers: plain, isTls };
  const user = decodeCredential(named, 'username');
  if (named.password === '') return { servers: plain, isTls, token: user };
  return { servers: plain, isTls, user, pass: decodeCredential(named, 'password') };
}

function decodeCredential(url: URL, part: 'username' | 'password'): string {
  try {
    return decodeURIComponent(url[part]);
  } catch {
    const message = `the ${part} for server ${url.host} is not percent-encoded: write % as %25`;
    throw new LlmosError('INVALID_ARGUMENT', message);
  }
}

function parseServer(server: string): URL {
  const text = server.includes('://') ? server : `nats://${server}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isNats = url?.protocol === 'nats:' || url?.protocol === 'tls:';
  if (url !== undefined && isNats && url.hostname !== '') return url;
  // The text may hold a password: only what follows the last @ is shown.
  const shown = server.slice(server.lastIndexOf('@') + 1);
  const message = `server ${quoteShort(shown)} is no NATS URL, such as nats://127.0.0.1:4222`;
  throw new LlmosError('INVALID_ARGUMENT', message);
}

/**
 * @param value comma-separated, as in the setting `name`; absent: a server on this machine.
 * Throws INVALID_ARGUMENT that names the setting; a password never stands in the message.
 */
export function readServers(name: string, value: string | undefined): readonly string[] {
  const servers = (value ?? 'nats://127.0.0.1:4222').split(',').map((server) => server.trim());
  try {
    parseServerUrls(servers);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LlmosError('INVALID_ARGUMENT', `${name}: ${reason}`);
  }
  return servers;
}

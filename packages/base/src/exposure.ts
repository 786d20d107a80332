/**
 * What of a program other machines can reach without a password: it warns of it at each start.
 *
 * The ports of kernel and worker ask nobody who he is, and a NATS server only where it was told to;
 * who reaches one may do everything. On the loopback interface only this machine does.
 */
export interface Listener {
  readonly name: 'grpc' | 'http' | 'nats';
  /** Of the address that it listens at, or that it was reached at. */
  readonly host: string;
  readonly port: number;
  /** Whether it asks for credentials. */
  readonly isGuarded: boolean;
}

/** Each as `grpc 0.0.0.0:9090`; empty where nothing is open. */
export function openListeners(listeners: readonly Listener[]): readonly string[] {
  return listeners
    .filter(({ host, isGuarded }) => !isGuarded && !isLoopbackHost(host))
    .map(({ name, host, port }) => `${name} ${formatAddress(host, port)}`);
}

/** `host:port`, with brackets around an IPv6 address, as URLs and gRPC want them. */
export function formatAddress(host: string, port: number): string {
  const isBare = host.includes(':') && !host.startsWith('[');
  return isBare ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Names are not resolved: only `localhost` is one of this machine's own. */
export function isLoopbackHost(host: string): boolean {
  const plain = host.replace(/^\[|\]$/g, '').toLowerCase();
  if (plain === 'localhost' || plain === '::1') return true;
  return /^(::ffff:)?127(\.\d{1,3}){3}$/.test(plain);
}

/**
 * The NATS server that a program is connected to. One that asks for certificates asks for
 * credentials; encryption alone guards nothing.
 */
export function natsListener(connection: {
  getServer(): string;
  readonly info?: { readonly auth_required?: boolean; readonly tls_verify?: boolean } | undefined;
}): Listener {
  const { auth_required: asksFirst, tls_verify: asksCertificate } = connection.info ?? {};
  const address = splitAddress(connection.getServer());
  return { name: 'nats', ...address, isGuarded: asksFirst === true || asksCertificate === true };
}

/** The parts of `host:port`, as the NATS client writes it. */
function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const at = address.lastIndexOf(':');
  return { host: address.slice(0, at), port: Number(address.slice(at + 1)) };
}

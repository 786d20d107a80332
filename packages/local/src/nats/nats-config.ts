/** The configuration file of the NATS server that `llmos up` starts: loopback only, JetStream on. */
export interface NatsConfig {
  readonly port: number;
  /** Folder of JetStream's files. */
  readonly storeFolder: string;
  /** What it may hold; fixed, for a server without it judges by what is free when it starts. */
  readonly storeBytes: number;
}

export function formatNatsConfig(config: NatsConfig): string {
  return [
    '# Written by llmos at every start; changes here are lost.',
    'host: "127.0.0.1"',
    `port: ${config.port}`,
    'server_name: "llmos-local"',
    'jetstream {',
    `  store_dir: ${quote(config.storeFolder)}`,
    `  max_file_store: ${config.storeBytes}`,
    '}',
    '',
  ].join('\n');
}

/** A quoted string of the configuration language, whose escapes are those of C. */
function quote(text: string): string {
  const escaped = text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
  return `"${escaped}"`;
}

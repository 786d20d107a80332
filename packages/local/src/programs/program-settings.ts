/** The settings that a system on one machine gives its programs, as environment variables. */
export const DEVICES = ['auto', 'cpu', 'webgpu', 'cuda'] as const;
export type DeviceChoice = (typeof DEVICES)[number];

export type Settings = Readonly<Record<string, string>>;

export interface KernelSettings {
  readonly servers: string;
  readonly kernelId: string;
  /** 0: a free one. A restarted program keeps the port it had. */
  readonly httpPort: number;
  readonly grpcPort: number;
  /** For the streams; undefined: as the kernel itself chooses. */
  readonly storageBytes?: number;
}

export function kernelSettings(of: KernelSettings): Settings {
  return {
    LLMOS_SERVERS: of.servers,
    LLMOS_KERNEL_ID: of.kernelId,
    LLMOS_HTTP_HOST: '127.0.0.1',
    LLMOS_HTTP_PORT: String(of.httpPort),
    LLMOS_GRPC_HOST: '127.0.0.1',
    LLMOS_GRPC_PORT: String(of.grpcPort),
    ...(of.storageBytes === undefined ? {} : { LLMOS_STORAGE_BYTES: String(of.storageBytes) }),
  };
}

export interface WorkerSettings {
  readonly servers: string;
  readonly node: string;
  readonly httpPort: number;
  readonly device: DeviceChoice;
  readonly cacheFolder: string;
  /** Where several workers share the machine: the part of its memory that this one may use. */
  readonly memoryBytes?: number;
}

export function workerSettings(of: WorkerSettings): Settings {
  return {
    LLMOS_SERVERS: of.servers,
    LLMOS_NODE: of.node,
    LLMOS_HTTP_HOST: '127.0.0.1',
    LLMOS_HTTP_PORT: String(of.httpPort),
    LLMOS_DEVICE: of.device,
    LLMOS_CACHE_DIR: of.cacheFolder,
    ...(of.memoryBytes === undefined ? {} : { LLMOS_MEMORY_BYTES: String(of.memoryBytes) }),
  };
}

/** The port of `http://host:port` or `host:port`; 0 where there is none. */
export function portOf(url: string): number {
  const match = /:(\d{1,5})\/?$/.exec(url);
  return match === null ? 0 : Number(match[1]);
}

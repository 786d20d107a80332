/** What a node has, as it probed it. */
export interface DeviceCapability {
  /** `cpu`, `webgpu:0`, `cuda:0`. */
  readonly id: string;
  readonly provider: 'cpu' | 'webgpu' | 'cuda';
  readonly name: string;
  readonly capacityBytes: number;
}

export interface NodeCapabilities {
  readonly cores: number;
  readonly memoryBytes: number;
  /** Preferred first: a process is put on the first one that its model fits. */
  readonly devices: readonly DeviceCapability[];
  readonly providers: readonly string[];
  readonly versions: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

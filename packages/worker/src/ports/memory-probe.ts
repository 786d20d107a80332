/** What the operating system says of memory. Readings, cheap enough for every heartbeat. */
export interface MemoryProbe {
  /** What this program and its hosts may use: the machine's memory or its cgroup's limit. */
  totalBytes(): number;
  freeBytes(): number;
  /** Resident bytes of one OS process; undefined where it is gone or this can't be told. */
  residentBytes(osPid: number): number | undefined;
}

/** Versions of the NATS server: which ones llmos works with. */
export interface NatsVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

/** The oldest version that is tested: the one in Debian 12. */
export const OLDEST_NATS_VERSION: NatsVersion = { major: 2, minor: 9, patch: 10 };

/** Reads `nats-server: v2.9.10` or `2.15.1-rc.1`; undefined where no version is in it. */
export function parseNatsVersion(text: string): NatsVersion | undefined {
  const match = /(?:^|[^\d.])(\d{1,4})\.(\d{1,4})\.(\d{1,6})(?![\d.])/.exec(text.slice(0, 1_000));
  if (match === null) return undefined;
  return { major: Number(match[1]), minor: Number(match[2]), patch: Number(match[3]) };
}

export function formatNatsVersion(version: NatsVersion): string {
  return `${version.major}.${version.minor}.${version.patch}`;
}

export function isNatsVersionAccepted(version: NatsVersion): boolean {
  return isAtLeast(version, OLDEST_NATS_VERSION);
}

/** Whether it is this version or a newer one. */
export function isAtLeast(version: NatsVersion, least: NatsVersion): boolean {
  if (version.major !== least.major) return version.major > least.major;
  if (version.minor !== least.minor) return version.minor > least.minor;
  return version.patch >= least.patch;
}

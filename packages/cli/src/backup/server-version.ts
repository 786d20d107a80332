/** Snapshots are files of a NATS server: newer servers read those of older ones, not the reverse. */
import { LlmosError } from '@llmos/base';

/**
 * Throws FAILED_PRECONDITION where the snapshots are of a newer server. Some of those an older one
 * refuses, some it takes and tells of messages that never were (2.10 into 2.9).
 */
export function assertVersion(of: { readonly from: string; readonly to: string }): void {
  const [from, to] = [parse(of.from), parse(of.to)];
  // What has no version that can be read is tried: the streams are compared anyway.
  if (from === undefined || to === undefined) return;
  if (to.major > from.major || (to.major === from.major && to.minor >= from.minor)) return;
  throw new LlmosError(
    'FAILED_PRECONDITION',
    `the backup is of nats-server ${of.from}, whose files nats-server ${of.to} can't read: ` +
      `restore into ${from.major}.${from.minor} or newer`,
  );
}

function parse(text: string): { readonly major: number; readonly minor: number } | undefined {
  const match = /^v?(\d{1,4})\.(\d{1,4})\./.exec(text);
  return match === null ? undefined : { major: Number(match[1]), minor: Number(match[2]) };
}

/** Whether servers have the room that the streams of a backup reserve. */
import { LlmosError } from '@llmos/base';
import { CLI_LIMITS } from '../limits';
import { formatBytes } from '../output/units';
import type { BackedUpStream } from './manifest';
import type { StreamServer } from './stream-server';

/** Each server of three holds every stream: it needs the room of them all. */
export async function assertRoom(
  server: StreamServer,
  streams: readonly BackedUpStream[],
  replicas: number,
): Promise<void> {
  const wanted = streams.reduce((sum, stream) => sum + reservedBytes(stream), 0);
  if (wanted === 0 || (await server.hasRoom(wanted, replicas))) return;
  const found = await largestRoom(server, wanted, replicas);
  const largest = [...streams].sort((one, other) => reservedBytes(other) - reservedBytes(one));
  const list = largest.slice(0, CLI_LIMITS.shownRows).map((stream) => {
    return `${stream.name} ${formatBytes(reservedBytes(stream))}`;
  });
  throw new LlmosError(
    'RESOURCE_EXHAUSTED',
    `the streams reserve ${formatBytes(wanted)}, and the NATS server has room for about ` +
      `${formatBytes(found)}: ${formatBytes(wanted - found)} are missing. ` +
      `Raise max_file_store, or make room on its disk. (${list.join(', ')})`,
    { retryable: false, details: { wantedBytes: wanted, missingBytes: wanted - found } },
  );
}

/** What it may grow to; where it has no limit, what it holds. */
function reservedBytes({ config, state }: BackedUpStream): number {
  const most = config['max_bytes'];
  const budget = typeof most === 'number' && Number.isSafeInteger(most) ? most : 0;
  return Math.max(budget, state.bytes);
}

async function largestRoom(
  server: StreamServer,
  wanted: number,
  replicas: number,
): Promise<number> {
  let [fits, fails] = [0, wanted];
  for (let step = 0; step < CLI_LIMITS.roomSteps; step += 1) {
    const middle = Math.floor((fits + fails) / 2);
    if (middle > 0 && (await server.hasRoom(middle, replicas))) fits = middle;
    else fails = middle;
  }
  return fits;
}

/** Nobody may work while streams are read or put back as of one moment. */
import { LlmosError } from '@llmos/base';
import { CLI_LIMITS } from '../limits';
import type { StreamServer } from './stream-server';

/**
 * Rejects with FAILED_PRECONDITION where a kernel works. One that died holds its lease on paper:
 * the record is watched for as long as a kernel leaves it alone at most.
 */
export async function assertIdle(
  server: StreamServer,
  of: { readonly what: string; readonly onWait: (text: string) => void },
): Promise<void> {
  if (await server.isServed()) throw working(of.what);
  const first = await server.leaderRecord();
  if (first.isReleased) return;
  of.onWait('looking whether a kernel still works');
  const untilMs = performance.now() + CLI_LIMITS.leaseLookMs;
  while (performance.now() < untilMs) {
    await server.pause();
    const { revision } = await server.leaderRecord();
    if (revision !== first.revision) throw working(of.what);
  }
}

function working(what: string): LlmosError {
  return new LlmosError(
    'FAILED_PRECONDITION',
    `a kernel works at this NATS server: stop the workers and the kernels, then ${what}`,
  );
}

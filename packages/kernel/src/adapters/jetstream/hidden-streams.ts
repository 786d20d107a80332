/**
 * Notices what a server stores and does not show. One that joins a cluster shows the streams of the
 * cluster alone, and deletes what it had held by itself half a minute later: to a kernel that looks
 * for streams this is an empty server, the beginning of a system.
 *
 * H1: stored bytes with no stream at all belong to streams that are hidden. They are there for half
 *     a minute only, so what one kernel saw is remembered, by an empty stream of this name: no
 *     other begins anew on what is left.
 */
import { LlmosError } from '@llmos/base';
import { isApiError, StorageType } from '@llmos/wire';
import type { JetStreamManager } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import { mebibytes } from './lost-stores';

/** Also the name in LLMOS_MAKE_ANEW by which what is hidden is given up. */
export const HIDDEN_MARK = 'LLMOS_HIDDEN';

/** Of a cluster without any store of llmos. Rejects with FAILED_PRECONDITION, with the ways out. */
export async function assertNothingHidden(of: {
  readonly manager: JetStreamManager;
  readonly makeAnew: readonly string[];
}): Promise<void> {
  const { manager } = of;
  if (of.makeAnew.includes(HIDDEN_MARK)) return;
  if (await isMarked(manager)) throw hidden('');
  const bytes = await hiddenBytes(manager);
  if (bytes === 0) return;
  await mark(manager);
  throw hidden(` (${mebibytes(bytes)})`);
}

/** Once the system has its stores, by a restore or anew, the mark has said what it had to. */
export async function forgetHidden(manager: JetStreamManager): Promise<void> {
  try {
    await manager.streams.delete(HIDDEN_MARK);
  } catch (error) {
    if (!isApiError(error, 'streamNotFound')) throw error;
  }
}

async function isMarked(manager: JetStreamManager): Promise<boolean> {
  try {
    await manager.streams.info(HIDDEN_MARK);
    return true;
  } catch (error) {
    if (isApiError(error, 'streamNotFound')) return false;
    throw error;
  }
}

/**
 * Only the last look counts: a server hears within a second or two what the others of its cluster
 * hold, and what was just deleted there.
 */
async function hiddenBytes(manager: JetStreamManager): Promise<number> {
  for (let looks = 1; ; looks += 1) {
    const { streams, storage } = await manager.getAccountInfo();
    if (streams > 0) return 0;
    if (looks === EDGE_LIMITS.hiddenLooks) return Math.max(0, storage);
    await new Promise((resolve) => setTimeout(resolve, EDGE_LIMITS.prepareRetryMs));
  }
}

async function mark(manager: JetStreamManager): Promise<void> {
  try {
    await manager.streams.add({
      name: HIDDEN_MARK,
      subjects: ['llmos.hidden'],
      storage: StorageType.File,
    });
  } catch (error) {
    if (!isApiError(error, 'streamNameInUse')) throw error;
  }
}

function hidden(size: string): LlmosError {
  return new LlmosError(
    'FAILED_PRECONDITION',
    `the NATS servers held data that they did not show${size}: one that joins a cluster hides what ` +
      'it held alone, and deletes it within half a minute. Stop that server at once, start it alone ' +
      'as it was, and take a backup; or restore one into servers that are empty. ' +
      `To begin anew with nothing: LLMOS_MAKE_ANEW=${HIDDEN_MARK}`,
    { details: { missing: [HIDDEN_MARK] } },
  );
}

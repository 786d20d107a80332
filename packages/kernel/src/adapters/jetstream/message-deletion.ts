/** How a message leaves its stream that nothing acknowledges: by its sequence. */
import { isApiError } from '@llmos/wire';
import type { JetStreamManager } from '@llmos/wire';

/**
 * Without overwriting its bytes on the disk first, which costs the server far more. One that is
 * gone already is deleted; rejects where it may still be there.
 */
export async function deleteMessage(
  manager: JetStreamManager,
  of: { readonly stream: string; readonly sequence: number },
): Promise<void> {
  try {
    await manager.streams.deleteMessage(of.stream, of.sequence, false);
  } catch (error) {
    const isGone = isApiError(error, 'noMessageFound', 'messageDeleteFailed', 'sequenceNotFound');
    if (!isGone) throw error;
  }
}

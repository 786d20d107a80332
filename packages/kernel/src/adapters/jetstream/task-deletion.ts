/** How a task leaves LLMOS_TASKS that has no delivery to acknowledge: by its sequence. */
import { STREAMS } from '@llmos/base';
import type { JetStreamManager } from 'nats';
import { isApiError } from './api-errors';

/** Rejects where its message may still be there. */
export async function deleteTask(manager: JetStreamManager, sequence: number): Promise<void> {
  try {
    await manager.streams.deleteMessage(STREAMS.tasks, sequence, false);
  } catch (error) {
    if (!isApiError(error, 'messageDeleteFailed', 'sequenceNotFound')) throw error;
  }
}

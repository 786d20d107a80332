/**
 * Whether LLMOS_RESULTS has room. A task that can't store its result can't end, so while there is
 * none, `submit` and `call` take no more, and what was published straight to the stream waits
 * there: nothing unread is evicted to make room.
 */
import type { StreamLoad } from '@llmos/base';
import { LlmosError, STREAMS } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import type { StreamReadings } from '../ports/stream-readings';
import type { TaskPublisher } from '../ports/task-publisher';

export class ResultRoom {
  private results: StreamLoad | undefined;

  constructor(private readonly readings: StreamReadings) {}

  /** Never rejects; where JetStream does not answer, what was seen last counts. */
  async look(): Promise<void> {
    const { streams } = await this.readings.read();
    this.results = streams.find((load) => load.stream === STREAMS.results) ?? this.results;
  }

  /** The same publisher, which refuses while there is no room. */
  guard(publisher: TaskPublisher): TaskPublisher {
    return {
      maxBodyBytes: () => publisher.maxBodyBytes(),
      publish: async (task) => {
        this.assertRoom();
        return publisher.publish(task);
      },
    };
  }

  /** As it was seen last. */
  hasRoom(): boolean {
    const { bytes = 0, maxBytes = 0 } = this.results ?? {};
    // No limit is 0. A larger result than the room must fit as well, or its task never ends.
    return maxBytes === 0 || bytes + EDGE_LIMITS.resultRoomBytes <= maxBytes;
  }

  private assertRoom(): void {
    if (this.hasRoom()) return;
    const { bytes = 0, maxBytes = 0 } = this.results ?? {};
    throw new LlmosError(
      'RESOURCE_EXHAUSTED',
      `the stored results are full: ${bytes} of ${maxBytes} bytes`,
      { details: { retryAfterMs: EDGE_LIMITS.resultRoomLookMs } },
    );
  }
}

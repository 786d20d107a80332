/**
 * Whether results can be stored: those that are kept long, and the answers, which leave soon. A
 * task that can't store its result can't end, so while there is no room, `submit` and `call` take
 * no more, and what was published straight to the stream waits there: nothing unread is evicted.
 */
import type { StreamLoad } from '@llmos/base';
import { LlmosError, STREAMS } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import type { StreamReadings } from '../ports/stream-readings';
import type { TaskPublisher } from '../ports/task-publisher';

const WATCHED: readonly string[] = [STREAMS.results, STREAMS.answers];

export class ResultRoom {
  /** As they were seen last. */
  private readonly loads = new Map<string, StreamLoad>();

  constructor(private readonly readings: StreamReadings) {}

  /** Never rejects; where JetStream does not answer, what was seen last counts. */
  async look(): Promise<void> {
    const { streams } = await this.readings.read();
    for (const load of streams) {
      if (WATCHED.includes(load.stream)) this.loads.set(load.stream, load);
    }
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

  hasRoom(): boolean {
    return this.fullOne() === undefined;
  }

  /** What the answers may take; undefined while it is not known, or without a limit. */
  answersCapacityBytes(): number | undefined {
    return this.loads.get(STREAMS.answers)?.maxBytes || undefined;
  }

  private fullOne(): StreamLoad | undefined {
    return [...this.loads.values()].find(
      // No limit is 0. A larger result than the room must fit as well, or its task never ends.
      ({ bytes, maxBytes }) => maxBytes > 0 && bytes + EDGE_LIMITS.resultRoomBytes > maxBytes,
    );
  }

  private assertRoom(): void {
    const full = this.fullOne();
    if (full === undefined) return;
    const { stream, bytes, maxBytes, freesInMs = 0 } = full;
    const what = stream === STREAMS.answers ? 'answers' : 'results';
    throw new LlmosError(
      'RESOURCE_EXHAUSTED',
      `the stored ${what} are full: ${bytes} of ${maxBytes} bytes in ${stream}`,
      // Nothing leaves before the oldest one does, save what a person removes.
      { details: { retryAfterMs: Math.max(EDGE_LIMITS.resultRoomLookMs, freesInMs) } },
    );
  }
}

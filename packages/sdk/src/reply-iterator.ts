/** What callers see of a generation that is read: its chunks as an async iterator, and its result. */
import type { GenerateChunk, GenerateOutput, TaskId } from '@llmos/base';
import type { ReplyQueue } from './reply-queue';

/** Chunks in the order of their tokens; the last one carries `finishReason`. */
export interface ReplyStream extends AsyncIterableIterator<GenerateChunk> {
  readonly id: TaskId;
  /** The committed output. Rejects as the iterator throws; needs no handler of its own. */
  readonly result: Promise<GenerateOutput>;
  /** Ends the iteration; of a stream that was started here, cancels the task. */
  return(): Promise<IteratorResult<GenerateChunk>>;
}

export interface ReplyIteration {
  readonly id: TaskId;
  readonly queue: ReplyQueue;
  /** Settles when the reader has ended. It may be waited for without the chunks. */
  readonly result: Promise<GenerateOutput>;
  /** Called where whoever iterates leaves before the end. */
  readonly onLeave?: () => void;
}

export function iterateReplies({ id, queue, result, onLeave }: ReplyIteration): ReplyStream {
  result.catch(() => undefined);
  const stream: ReplyStream = {
    id,
    result,
    next: () => queue.next(),
    return: () => {
      const isEarly = !queue.isOver;
      queue.clear();
      queue.end(undefined);
      if (isEarly) onLeave?.();
      return Promise.resolve({ done: true, value: undefined });
    },
    [Symbol.asyncIterator]: () => stream,
  };
  return stream;
}

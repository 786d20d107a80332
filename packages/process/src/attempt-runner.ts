/**
 * What runs the attempts of a process: it pulls them from the mailbox (see mailbox.ts), never the
 * other way round.
 */
import { toErrorBody } from '@llmos/base';
import type { AttemptHandler } from './attempt';
import type { WaitingAttempt, WaitingLine } from './mailbox';

export interface AttemptRunner {
  /** Called once, before anything waits. What was taken is answered, also after a cancel. */
  serve(line: WaitingLine): void;
  /** Something waits that did not: take what can run, now or in a moment. */
  wake(): void;
}

/** Runs each attempt as soon as it waits: for programs that take any number side by side. */
export function runEach(handler: AttemptHandler): AttemptRunner {
  let line: WaitingLine = NOTHING_WAITS;
  const run = async (waiting: WaitingAttempt): Promise<void> => {
    try {
      line.answer(waiting, await handler(waiting.attempt));
    } catch (thrown) {
      line.answer(waiting, { kind: 'failed', error: toErrorBody(thrown) });
    }
  };
  return {
    serve: (served) => void (line = served),
    wake: () => {
      for (const waiting of line.inOrder()) {
        line.take(waiting);
        void run(waiting);
      }
    },
  };
}

/** The line of a runner that no process has given one yet. */
export const NOTHING_WAITS: WaitingLine = {
  waitingCount: 0,
  inOrder: () => [],
  take: () => undefined,
  ended: () => undefined,
  answer: () => undefined,
  order: { compare: () => 0, mayInterrupt: () => false, isGuest: () => false },
};

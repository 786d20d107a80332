/** For tests: an attempt as a kernel orders it, and a runner that lets some of them wait. */
import type { AttemptSpec, FunctionName, TaskId, TenantId } from '@llmos/base';
import type { AttemptHandler } from './attempt';
import type { AttemptRunner } from './attempt-runner';
import { NOTHING_WAITS } from './attempt-runner';
import type { WaitingLine } from './mailbox';

/** The first attempt of a task of `acme` for `echo`, without its body. */
export function attemptSpec(task: string, more: Partial<AttemptSpec> = {}): AttemptSpec {
  return {
    tenant: 'acme' as TenantId,
    task: task as TaskId,
    attempt: 1,
    function: 'echo' as FunctionName,
    class: 'standard',
    priority: 5,
    sequence: 1,
    deadlineAtMs: Infinity,
    stream: false,
    format: 'json',
    root: task as TaskId,
    ...more,
  };
}

/** Pulls the next one whenever fewer than `atOnce` run. */
export function runSome(atOnce: number, handler: AttemptHandler): AttemptRunner {
  let line: WaitingLine = NOTHING_WAITS;
  let running = 0;
  const pull = (): void => {
    while (running < atOnce) {
      const [next] = line.inOrder();
      if (next === undefined) return;
      line.take(next);
      running += 1;
      void handler(next.attempt).then((answer) => {
        running -= 1;
        line.answer(next, answer);
        pull();
      });
    }
  };
  return { serve: (served) => void (line = served), wake: pull };
}

/** The step of the tour that shows priorities: one interactive task overtakes a batch. */
import { LlmosError } from '@llmos/base';
import { CLI_LIMITS } from '../limits';
import { formatMs } from '../output/units';
import type { TourStep } from './language-steps';
import { heading, remark, round } from './language-steps';
import type { PrioritySummary } from './tour-summary';
import { BATCH_PROMPT, BATCH_TASKS, BUSY_AFTER, TOUR_MODELS } from './tour-texts';

export async function overtakeBatch(step: TourStep): Promise<PrioritySummary> {
  const { client, terminal, signal } = step;
  const model = TOUR_MODELS.generate;
  heading(step, `${BATCH_TASKS} batch tasks, and one interactive task that comes last`, model);
  const input = { model, ...BATCH_PROMPT };
  const startMs = performance.now();
  const batch = new AbortController();
  const give = AbortSignal.any([signal, batch.signal]);
  const tasks = await Promise.all(
    Array.from({ length: BATCH_TASKS }, () =>
      client.submit('generate', input, { class: 'batch', signal: give }),
    ),
  );

  const finished: ('batch' | 'interactive')[] = [];
  const busy = signalOnce();
  const results = tasks.map(async (task) => {
    await task.result({ signal: give, timeoutMs: CLI_LIMITS.tourBatchMs });
    finished.push('batch');
    if (finished.length === BUSY_AFTER) busy.resolve();
    terminal.progress(`  ${finished.length} of ${BATCH_TASKS + 1} done`);
  });
  const all = Promise.all(results);
  try {
    await Promise.race([busy.promise, all]);
    const askedMs = performance.now();
    await client.generate(input, { signal });
    const interactiveMs = performance.now() - askedMs;
    finished.push('interactive');
    const position = finished.length;
    await all;
    const batchMs = performance.now() - startMs;
    return show(step, { finished, position, interactiveMs, batchMs });
  } catch (error) {
    batch.abort();
    await Promise.allSettled(results);
    throw error;
  }
}

function show(
  step: TourStep,
  of: {
    readonly finished: readonly ('batch' | 'interactive')[];
    readonly position: number;
    readonly interactiveMs: number;
    readonly batchMs: number;
  },
): PrioritySummary {
  const { style } = step.terminal;
  const overtaken = of.finished.length - of.position;
  const marks = of.finished.map((kind) =>
    kind === 'batch' ? style.dim('·') : style.green(style.bold('█')),
  );
  for (let start = 0; start < marks.length; start += 76) {
    step.terminal.line(`  ${marks.slice(start, start + 76).join('')}`);
  }
  step.terminal.line(
    `  the interactive task came as number ${style.green(String(of.position))} of ` +
      `${of.finished.length}, after ${style.green(formatMs(of.interactiveMs))}`,
  );
  remark(step, `it overtook ${overtaken} tasks; the batch took ${formatMs(of.batchMs)}`);
  if (overtaken === 0) {
    throw new LlmosError('INTERNAL', 'the interactive task overtook none of the batch', {
      details: { position: of.position },
    });
  }
  return {
    batchTasks: BATCH_TASKS,
    position: of.position,
    overtaken,
    interactiveMs: round(of.interactiveMs),
    batchMs: round(of.batchMs),
  };
}

function signalOnce(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

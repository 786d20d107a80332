/** The tour: what the system does, in a minute, on the models that ship. */
import type { ProcessRow } from '@llmos/base';
import { formatProcesses } from '../commands/processes';
import { CLI_LIMITS } from '../limits';
import type { TourStep } from './language-steps';
import { findEntities, heading, labelTexts, searchSentences, tellStory } from './language-steps';
import { overtakeBatch } from './priority-step';
import type { TourSummary } from './tour-summary';
import { TOUR_MODELS } from './tour-texts';

/** Throws the first error of a step. */
export async function runTour(step: TourStep): Promise<TourSummary> {
  try {
    return await takeSteps(step);
  } finally {
    step.terminal.endLine();
  }
}

async function takeSteps(step: TourStep): Promise<TourSummary> {
  const generate = await tellStory(step);
  const embed = await searchSentences(step);
  const classify = await labelTexts(step);
  const extract = await findEntities(step);
  const priority = await overtakeBatch(step);
  heading(step, 'Processes');
  const table = formatProcesses(await processesAtRest(step), step.terminal.style);
  step.terminal.line(table.replace(/^/gm, '  '));
  return { generate, embed, classify, extract, priority };
}

/** A result is seen a moment before its process is known to be free again. */
async function processesAtRest({ client, signal }: TourStep): Promise<readonly ProcessRow[]> {
  for (let look = 1; ; look += 1) {
    const processes = await client.ps({ signal });
    if (look === CLI_LIMITS.tourLooks || processes.every((row) => row.running === 0))
      return processes;
    await new Promise((resolve) => setTimeout(resolve, CLI_LIMITS.tourLookMs));
  }
}

/** @param of the system's server, and what commands need to find it: `folderFlag`. */
export function showHowToGoOn(
  step: TourStep,
  of: { readonly natsUrl: string; readonly flag: string },
): void {
  const { terminal } = step;
  const body = `'{"model":"${TOUR_MODELS.intents}","text":"I lost my card"}'`;
  heading(step, 'Go on, in another terminal');
  const lines = [
    `npx llmos ps${of.flag}`,
    `npx llmos run generate "The old king said" --model ${TOUR_MODELS.generate} --stream${of.flag}`,
    `npx llmos run classify "I lost my card" --model ${TOUR_MODELS.intents}${of.flag}`,
    `nats pub -s ${of.natsUrl} llmos.v1.task.standard.default.classify ${body}`,
  ];
  for (const line of lines) terminal.line(`  ${terminal.style.cyan(line)}`);
  terminal.line(terminal.style.dim('  Ctrl-C stops it.'));
}

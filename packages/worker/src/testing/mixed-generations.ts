/**
 * For tests: many generations at once, in bursts and with preemptions, and the same ones alone. All
 * that is random comes from one seed.
 */
import type { GenerateInput, GenerateOutput, Random, Result, TaskClass } from '@llmos/base';
import { LlmosError, TASK_CLASSES, parseResult } from '@llmos/base';
import type { ThreadRequest } from '../actors/thread-protocol';
import type { DrivenThread } from './driven-thread';
import { jsonRequest } from './driven-thread';

const WORDS = [
  'a',
  'the',
  'dog',
  'king',
  'said',
  'and',
  'went',
  'big',
  'little',
  'tree',
  'one',
  '.',
];
/** What many prompts begin with: longer than the least that a prefix cache keeps. */
const SYSTEM = 'Once upon a time there was a little girl who lived in a house near the big tree. ';

/** A prompt of 1 to about 150 words with settings of its own, most of them for few tokens. */
export function randomInput(random: Random): GenerateInput {
  const wordCount = 1 + Math.floor(random.next() ** 3 * 150);
  const words = Array.from({ length: wordCount }, () => pick(random, WORDS)).join(' ');
  const isGreedy = random.next() < 0.4;
  return {
    prompt: (random.next() < 0.5 ? SYSTEM : '') + words,
    maxTokens: 1 + Math.floor(random.next() ** 2 * 48),
    ...(isGreedy ? { temperature: 0 } : sampling(random)),
    ...(random.next() < 0.2 ? { repetitionPenalty: 1.3 } : {}),
    ...(random.next() < 0.2 ? { stop: [' the', 'and'] } : {}),
    ...(random.next() < 0.1 ? { n: 3 } : {}),
  };
}

function sampling(random: Random): Partial<GenerateInput> {
  return {
    temperature: 0.5 + random.next(),
    seed: Math.floor(random.next() * 1000),
    ...(random.next() < 0.5 ? { topK: 20 } : {}),
    ...(random.next() < 0.5 ? { topP: 0.9 } : {}),
  };
}

function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[Math.floor(random.next() * items.length)] as Item;
}

/** Of generations; a thread has at most 8 rows in these tests. */
const FIRST_BURST = 16;

/** One after the other; an error is its code. */
export async function generateAlone(
  thread: DrivenThread,
  inputs: readonly GenerateInput[],
): Promise<readonly (GenerateOutput | string)[]> {
  const outputs: (GenerateOutput | string)[] = [];
  for (const [index, input] of inputs.entries()) {
    const request = jsonRequest(index, 'generate', input, { seedText: `tenant/${index}` });
    const { answers } = await thread.run([request]);
    outputs.push(outputOf(answers[0]?.result));
  }
  return outputs;
}

interface Open {
  readonly index: number;
  readonly request: ThreadRequest;
}

/**
 * In bursts that join what runs, each of a random class. The first one is bulk, more than there are
 * rows, which the second joins at its first chunk: so some are switched out however fast the model
 * is. Some are preempted at a random chunk and sent again, to go on after the tokens that they had.
 */
export async function generateMixed(
  thread: DrivenThread,
  inputs: readonly GenerateInput[],
  random: Random,
): Promise<{ readonly outputs: readonly (GenerateOutput | string)[]; readonly returns: number }> {
  const outputs: (GenerateOutput | string)[] = [];
  const open = new Map<number, Open>();
  let nextId = 1;
  let returns = 0;
  const create = (index: number, resumeTokens: readonly number[]): ThreadRequest => {
    const input = inputs[index] as GenerateInput;
    const requestId = nextId++;
    const request = jsonRequest(requestId, 'generate', input, {
      seedText: `tenant/${index}`,
      stream: input.n === undefined,
      class: requestId <= FIRST_BURST ? 'batch' : pick<TaskClass>(random, TASK_CLASSES),
      sequence: index,
      ...(resumeTokens.length > 0 ? { resumeTokens } : {}),
    });
    open.set(requestId, { index, request });
    return request;
  };
  const waiting = inputs.map((_, index) => ({ index, resumeTokens: [] as readonly number[] }));
  const takeBurst = (): readonly ThreadRequest[] => {
    const isEarly = nextId <= FIRST_BURST + 1;
    const count = isEarly ? FIRST_BURST : 1 + Math.floor(random.next() * 24);
    return waiting.splice(0, count).map(({ index, resumeTokens }) => create(index, resumeTokens));
  };
  while (waiting.length > 0) {
    const { answers, preempted } = await thread.run(takeBurst(), (requestId) => {
      if (random.next() < 0.02) thread.send({ kind: 'preempt', requestId });
      const isSecond = nextId === FIRST_BURST + 1;
      if ((isSecond || random.next() < 0.05) && waiting.length > 0) {
        thread.send({ kind: 'run', requests: takeBurst() });
      }
    });
    for (const { requestId, result } of answers) {
      outputs[(open.get(requestId) as Open).index] = outputOf(result);
    }
    for (const { requestId, tokens } of preempted) {
      returns += 1;
      waiting.push({ index: (open.get(requestId) as Open).index, resumeTokens: tokens });
    }
  }
  return { outputs, returns };
}

/** How much of a prompt was known already depends on what ran before. */
export function uncached(output: GenerateOutput): GenerateOutput {
  const { usage } = output;
  return usage === undefined ? output : { ...output, usage: { ...usage, cachedTokens: 0 } };
}

function outputOf(bytes: Uint8Array | undefined): GenerateOutput | string {
  if (bytes === undefined) throw new LlmosError('INTERNAL', 'a generation was not answered');
  const result = parseResult(bytes) as Result<GenerateOutput>;
  return result.ok ? uncached(result.output) : `${result.error.code}: ${result.error.message}`;
}

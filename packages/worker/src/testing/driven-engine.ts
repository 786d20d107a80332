/** For tests: a generate engine on the fake decoder, and what it answers. */
import type { GenerateChunk, GenerateInput, GenerateOutput } from '@llmos/base';
import { LlmosError } from '@llmos/base';
import type { ContextCounts } from '../actors/thread-protocol';
import { DecoderGraph } from '../engine/rows/decoder-graph';
import type { EngineAnswer, EngineRequest } from '../engine/engine';
import { GenerateEngine } from '../engine/generation/generate-engine';
import type { GenerateModel } from '../engine/generation/generate-engine';
import { SeparateRows } from '../engine/rows/separate-rows';
import { SharedRows } from '../engine/rows/shared-rows';
import type { GenerationSettings } from '../models/model-settings';
import type { FakeDecoder, FakeDecoderOptions } from './fake-decoder';
import { characterTokenizer, fakeDecoder } from './fake-decoder';
import { testCosts } from '../testing/test-costs';

export const VOCABULARY = 128;

const SETTINGS: GenerationSettings = {
  endIds: new Set(),
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
};

export interface EngineOptions extends Partial<FakeDecoderOptions> {
  readonly settings?: Partial<GenerationSettings>;
  readonly model?: Partial<Omit<GenerateModel, 'rows' | 'settings'>>;
}

export interface DrivenEngine {
  readonly engine: GenerateEngine;
  readonly runner: FakeDecoder;
  /** Violations of the engine's and the rows' invariants. */
  check(): readonly string[];
  /** From now on no further row can be opened beyond so many. */
  exhaustBeyond(rowCount: number): void;
  /** The next feed finds no room. */
  exhaustFeed(): void;
  /** From now on nothing can be saved. */
  failSaves(): void;
  /** Of the drive under way. */
  readonly heard: Heard;
}

interface Heard {
  readonly preempted: Map<number, GivenBack>;
  readonly chunks: GenerateChunk[];
}

export function engineOf(options: EngineOptions = {}): DrivenEngine {
  const runner = fakeDecoder({ vocabulary: VOCABULARY, ...options });
  const settings = { ...SETTINGS, ...options.settings };
  const graph = new DecoderGraph(runner, settings);
  const { maxRows = 4, maxTokens = 100, feeding = 'freely' } = options.model ?? {};
  const shared = new SharedRows({
    graph,
    maxRows,
    maxTokens,
    hasDependentRows: feeding === 'whole',
    roundsLoneRow: options.roundsLoneRow === true,
  });
  const rows = options.isShared === true ? shared : new SeparateRows({ graph, maxRows });
  const engine = new GenerateEngine({
    ...{ rows, tokenizer: characterTokenizer, chatTemplate: undefined, settings, maxTokens },
    ...{ maxRows, maxSavedBytes: 0, maxPrefixBytes: 0, sharesPrefixes: false, feeding },
    runMs: () => 0,
    costs: testCosts(),
    ...options.model,
  });
  return {
    ...{ engine, runner, heard: { preempted: new Map(), chunks: [] } },
    check: () => [...engine.checkSequences(), ...shared.checkRows()],
    exhaustBeyond: (rowCount) => {
      const open = shared.open.bind(shared);
      const message = 'memory ended';
      shared.open = async () => {
        const { running } = engine.counts;
        if (running >= rowCount) throw new LlmosError('RESOURCE_EXHAUSTED', message);
        return open();
      };
    },
    exhaustFeed: () => {
      const feed = shared.feed.bind(shared);
      shared.feed = () => {
        shared.feed = feed;
        return Promise.reject(new LlmosError('RESOURCE_EXHAUSTED', 'memory ended'));
      };
    },
    failSaves: () => {
      shared.save = () => Promise.reject(new LlmosError('INTERNAL', 'the copy failed'));
    },
  };
}

export function generateRequest(
  input: GenerateInput,
  more: Partial<EngineRequest> = {},
): EngineRequest {
  const requestId = more.requestId ?? 1;
  return {
    ...{ requestId, function: 'generate', input, stream: true, resumeTokens: [] },
    ...{ seedText: `tenant/${requestId}`, tenant: 'tenant' },
    ...{ class: 'standard', priority: 5, sequence: requestId },
    ...more,
  };
}

export interface GivenBack {
  readonly tokens: readonly number[];
  readonly text: string;
}

export interface Outcome {
  readonly answers: ReadonlyMap<number, EngineAnswer>;
  readonly preempted: ReadonlyMap<number, GivenBack>;
  readonly chunks: readonly GenerateChunk[];
  /** Requests whose first token was told without a chunk. */
  readonly began: readonly number[];
  readonly counts: ContextCounts;
  /** Of the first request. */
  readonly output: GenerateOutput;
  readonly error: string;
  outputOf(requestId: number): GenerateOutput;
}

/** What to do between two steps: join, cancel, preempt. */
export type BetweenSteps = (engine: GenerateEngine, join: Join) => void;
export type Join = (requests: readonly EngineRequest[]) => void;

/** Runs until everything that joined is answered; fails where something is answered twice. */
export async function drive(
  driven: Pick<DrivenEngine, 'engine' | 'heard' | 'check'>,
  requests: readonly EngineRequest[],
  between: BetweenSteps = () => undefined,
): Promise<Outcome> {
  const answers = new Map<number, EngineAnswer>();
  const { engine } = driven;
  const { preempted, chunks } = driven.heard;
  const began: number[] = [];
  preempted.clear();
  chunks.length = 0;
  let nowMs = 0;
  let openCount = 0;
  const settle = (requestId: number): void => {
    if (answers.has(requestId) || preempted.has(requestId)) {
      throw new Error(`request ${requestId} is answered twice`);
    }
    openCount -= 1;
  };
  await new Promise<void>((resolve, reject) => {
    const calls = {
      answer: (requestId: number, answer: EngineAnswer): void => {
        settle(requestId);
        answers.set(requestId, answer);
      },
      preempted: (requestId: number, tokens: readonly number[], text: string): void => {
        settle(requestId);
        preempted.set(requestId, { tokens: [...tokens], text });
      },
      chunk: (_: number, chunk: GenerateChunk): void => void chunks.push(chunk),
      began: (requestId: number): void => void began.push(requestId),
      contexts: () => undefined,
      nowMs: () => (nowMs += 1),
      pause: async (): Promise<void> => {
        const violations = driven.check();
        if (violations.length > 0) reject(new Error(violations.join('; ')));
        between(engine, join);
        if (openCount === 0) resolve();
      },
    };
    const join: Join = (more) => {
      openCount += more.length;
      engine.join(more, calls);
    };
    join(requests);
    if (openCount === 0) resolve();
  });
  await engine.close();
  const outputOf = (requestId: number): GenerateOutput => {
    const answer = answers.get(requestId);
    const value = answer?.kind === 'done' && answer.output.kind === 'value' && answer.output.value;
    return (value === false || value === undefined ? {} : value) as GenerateOutput;
  };
  const first = requests[0]?.requestId ?? 0;
  const answer = answers.get(first);
  const error = answer?.kind === 'failed' ? `${answer.error.code}: ${answer.error.message}` : '';
  return {
    ...{ answers, preempted, chunks: [...chunks], began, error, outputOf },
    counts: engine.counts,
    output: outputOf(first),
  };
}

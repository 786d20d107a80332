/**
 * Engine *tensor*: runs any graph on named tensors. A stateful model's state may be left out by the
 * caller: it starts at zero and is kept by key. A failed run leaves the state as it was.
 */
import type { InferInput, StatePair, TensorType } from '@llmos/base';
import { LlmosError, quoteShort } from '@llmos/base';
import type { HostTensor, ModelRunner } from '../../ports/model-runner';
import type { Engine, EngineCalls, EngineRequest } from '../engine';
import { CANCELLED_ANSWER, failedAnswer } from '../engine';
import type { CostMeter } from '../cost-meter';
import type { AnswerPart, AnswerRoom } from '../requests/answer-room';
import { ANY_ROOM, assertFits, leastTensorBytes, tensorBytes } from '../requests/answer-room';
import { assertInputs, assertOutputs, knownDims, namedSizes } from './infer-inputs';
import { ENGINE_LIMITS } from '../limits';
import type { ModelState } from './state-table';
import { StateTable, stateBytes } from './state-table';
import { elementCount, parseTensor, zeroTensor } from './tensor-values';

export class TensorEngine implements Engine {
  private readonly states = new StateTable({
    maxKeys: ENGINE_LIMITS.maxStateKeys,
    maxBytes: ENGINE_LIMITS.maxStateBytes,
  });

  /** Throws where a state pair names what the graph does not have. */
  constructor(
    private readonly runner: ModelRunner,
    private readonly pairs: readonly StatePair[],
    private readonly costs: CostMeter,
  ) {
    for (const pair of pairs) {
      const isKnown =
        runner.inputs.some((spec) => spec.name === pair.input) &&
        runner.outputs.some((spec) => spec.name === pair.output);
      if (isKnown) continue;
      const names = `${quoteShort(pair.input)} and ${quoteShort(pair.output)}`;
      throw new LlmosError('INVALID_ARGUMENT', `the graph has no state ${names}`);
    }
    const types = pairs.map((pair) => [pair.type as TensorType, pair.dims] as const);
    assertStateFits('the state of a key', sumOf(types.map((of) => bytesOfDims(...of))));
  }

  async run(requests: readonly EngineRequest[], calls: EngineCalls): Promise<void> {
    for (const request of requests) {
      await calls.giveWay();
      if (calls.isCancelled(request.requestId)) {
        calls.answer(request.requestId, CANCELLED_ANSWER);
        continue;
      }
      try {
        const tensors = await this.infer(request);
        calls.answer(request.requestId, { kind: 'done', output: { kind: 'tensors', tensors } });
      } catch (thrown) {
        calls.answer(request.requestId, failedAnswer(thrown));
      }
    }
  }

  private async infer(request: EngineRequest): Promise<ReadonlyMap<string, HostTensor>> {
    const { room = ANY_ROOM } = request;
    const stateKey = stateKeyOf(request);
    const input = request.input as InferInput;
    const given = new Map(
      Object.entries(input.inputs).map(([name, value]) => [
        name,
        parseTensor(`input ${quoteShort(name)}`, value),
      ]),
    );
    const inputs = this.withState(given, stateKey);
    const specs = this.runner.inputs.filter((spec) => spec.isOptional !== true);
    assertInputs({ specs, inputs });
    const wanted = input.outputs ?? this.usualOutputs(stateKey !== undefined);
    assertOutputs(this.runner.outputs, wanted);
    this.assertFits(wanted, namedSizes({ specs, inputs }), room);
    const kept = stateKey === undefined ? [] : this.pairs.map((pair) => pair.output);
    const charged = [{ requestId: request.requestId, inputTokens: 0 }];
    const results = await this.costs.run(charged, () =>
      this.runGraph(inputs, new Set([...wanted, ...kept])),
    );
    const answer = new Map(wanted.map((name) => [name, results.get(name) as HostTensor]));
    // What the graph does not say of its sizes is known only now.
    assertFits([...answer].map(partOf(room)), room, REMEDY);
    if (stateKey !== undefined) this.keepState(stateKey, results);
    return answer;
  }

  /** Before the run, as far as the graph says how large its outputs will be. */
  private assertFits(
    wanted: readonly string[],
    sizes: ReadonlyMap<string, number>,
    room: AnswerRoom,
  ): void {
    const parts = this.runner.outputs.flatMap((spec) => {
      const dims = wanted.includes(spec.name) ? knownDims(spec, sizes) : undefined;
      if (dims === undefined || spec.type === 'unsupported') return [];
      return [partOf(room)([spec.name, { type: spec.type, dims }])];
    });
    assertFits(parts, room, REMEDY);
  }

  private async runGraph(
    inputs: ReadonlyMap<string, HostTensor>,
    outputs: ReadonlySet<string>,
  ): Promise<ReadonlyMap<string, HostTensor>> {
    try {
      const results = await this.runner.run({
        inputs,
        outputs: new Map([...outputs].map((name) => [name, 'new'])),
      });
      return results as ReadonlyMap<string, HostTensor>;
    } catch (thrown) {
      if (thrown instanceof LlmosError && thrown.code === 'RESOURCE_EXHAUSTED') throw thrown;
      // The tensors fit the graph's interface, so it is their values or sizes that it refuses.
      const reason = thrown instanceof Error ? thrown.message : String(thrown);
      throw new LlmosError('INVALID_ARGUMENT', `${reason} (with these inputs)`, { cause: thrown });
    }
  }

  /** What the caller left out of the state comes from the key, or is zero. */
  private withState(
    given: ReadonlyMap<string, HostTensor>,
    stateKey: string | undefined,
  ): ReadonlyMap<string, HostTensor> {
    const state = stateKey === undefined ? undefined : this.states.get(stateKey);
    const inputs = new Map(given);
    for (const pair of this.pairs) {
      if (inputs.has(pair.input)) continue;
      inputs.set(pair.input, state?.get(pair.input) ?? initialState(pair));
    }
    return inputs;
  }

  private keepState(stateKey: string, results: ReadonlyMap<string, HostTensor>): void {
    if (this.pairs.length === 0) return;
    const state: ModelState = new Map(
      this.pairs.map((pair) => [pair.input, results.get(pair.output) as HostTensor]),
    );
    const key = stateKey.slice(stateKey.indexOf('/') + 1);
    assertStateFits(`the state of key ${quoteShort(key)}`, stateBytes(state));
    this.states.set(stateKey, state);
  }

  private usualOutputs(isKept: boolean): readonly string[] {
    const states = new Set(isKept ? this.pairs.map((pair) => pair.output) : []);
    return this.runner.outputs
      .filter((spec) => spec.type !== 'unsupported' && !states.has(spec.name))
      .map((spec) => spec.name);
  }
}

const REMEDY = 'send fewer rows, or ask for fewer outputs';

/** Of an answer: an output with its type and dims. */
function partOf(room: AnswerRoom) {
  return ([name, { type, dims }]: readonly [
    string,
    Pick<HostTensor, 'type' | 'dims'>,
  ]): AnswerPart => {
    const count = dims.reduce((product, dim) => product * dim, 1);
    return {
      what: `${name} is ${type} [${dims.join(', ')}]`,
      leastBytes: leastTensorBytes(type, count, room.format),
    };
  };
}

/** Keys of two tenants are two states: a state tells what its owner's inputs were. */
function stateKeyOf({ input, key: ofTask, tenant }: EngineRequest): string | undefined {
  const key = (input as InferInput).key ?? ofTask;
  return key === undefined ? undefined : `${tenant}/${key}`;
}

function bytesOfDims(type: TensorType, dims: readonly number[]): number {
  return tensorBytes(
    type,
    dims.reduce((product, dim) => product * dim, 1),
  );
}

/** One state beyond the bound would push out all others, and stay itself. */
function assertStateFits(what: string, bytes: number): void {
  const most = ENGINE_LIMITS.maxStateBytes;
  if (bytes <= most) return;
  const message = `${what} would have ${bytes} bytes; at most ${most} are kept`;
  throw new LlmosError('RESOURCE_EXHAUSTED', message, { retryable: false });
}

function sumOf(amounts: readonly number[]): number {
  return amounts.reduce((sum, amount) => sum + amount, 0);
}

function initialState(pair: StatePair): HostTensor {
  elementCount(pair.dims, `state ${quoteShort(pair.input)}`);
  return zeroTensor(pair.type as TensorType, pair.dims);
}

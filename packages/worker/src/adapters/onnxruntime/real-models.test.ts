/** Decoders with odd shapes, which do not ship. Other models run end to end, in tests/e2e. */
import { fromFloat16Bits, toFloat16Bits } from '@llmos/base';
import type { GenerateOutput, InferOutput, TensorValue } from '@llmos/base';
import { DrivenThread } from '../../testing/driven-thread';
import { itWithShared } from '../../testing/model-folders';

const cleanups: (() => void)[] = [];
afterEach(() => cleanups.splice(0).forEach((cleanup) => cleanup()));

async function open(...args: Parameters<typeof DrivenThread.load>): Promise<DrivenThread> {
  const thread = await DrivenThread.load(...args);
  cleanups.push(() => thread.stop());
  return thread;
}

function numbers(tensor: TensorValue | undefined): number[] {
  if (tensor === undefined || typeof tensor.data === 'string') throw new Error('no numbers');
  return tensor.data as number[];
}

function argmax(values: readonly number[]): number {
  return values.reduce(
    (best, value, index) => (value > (values[best] ?? -Infinity) ? index : best),
    0,
  );
}

describe('models beside the checkout', () => {
  itWithShared(
    'tiny-random-gpt2: a step with cache equals reading it all again',
    'tiny-random-gpt2',
    async (folder) => {
      const thread = await open(folder);
      const ids = [11, 250, 3, 77, 512, 640];
      const whole = await thread.ask<InferOutput>('infer', gpt2Inputs(ids, 0));
      const first = await thread.ask<InferOutput>('infer', gpt2Inputs(ids.slice(0, 5), 0));
      const past = Object.fromEntries(
        [0, 1, 2, 3, 4].map((layer) => [`past_${layer}`, first.outputs[`present_${layer}`]]),
      );
      const step = gpt2Inputs(ids.slice(5), 5);
      const next = await thread.ask<InferOutput>('infer', { inputs: { ...step.inputs, ...past } });
      const expected = numbers(whole.outputs['logits']).slice(-1000);
      numbers(next.outputs['logits']).forEach((logit, index) => {
        expect(Math.abs(logit - (expected[index] ?? Number.NaN))).toBeLessThan(1e-6);
      });
      // The engine's own loop on the same graph, as greedy as the definition.
      const generated = await thread.ask<GenerateOutput>('generate', {
        prompt: 'a',
        maxTokens: 3,
        temperature: 0,
      });
      const tokens = [64];
      for (let count = 0; count < 3; count += 1) {
        const { outputs } = await thread.ask<InferOutput>('infer', gpt2Inputs(tokens, 0));
        tokens.push(argmax(numbers(outputs['logits']).slice(-1000)));
      }
      expect(generated.tokens).toEqual(tokens.slice(1));
    },
  );

  itWithShared(
    'tiny-random-llama (fp16, external data) generates',
    'tiny-random-llama-fp16',
    async (folder) => {
      const thread = await open(folder);
      const generated = await thread.ask<GenerateOutput>('generate', {
        prompt: 'Hello',
        maxTokens: 4,
        temperature: 0,
      });
      expect(generated.tokens).toHaveLength(4);
      const chat = await thread.ask<GenerateOutput>('generate', {
        messages: [{ role: 'user', content: 'Hello' }],
        maxTokens: 1,
        temperature: 0,
      });
      expect(chat.promptTokens).toBeGreaterThan(generated.promptTokens);
      const { outputs } = await thread.ask<InferOutput>('infer', {
        outputs: ['logits'],
        inputs: {
          input_ids: { type: 'int64', dims: [1, 2], data: [1, '15043'] },
          attention_mask: { type: 'int64', dims: [1, 2], data: [1, 1] },
          position_ids: { type: 'int64', dims: [1, 2], data: [0, 1] },
          ...Object.fromEntries(
            ['0.key', '0.value', '1.key', '1.value'].map((name) => [
              `past_key_values.${name}`,
              { type: 'float16', dims: [1, 1, 0, 16], data: [] },
            ]),
          ),
        },
      });
      const logits = numbers(outputs['logits']);
      expect(logits).toHaveLength(2 * 32000);
      expect(logits.every(Number.isFinite)).toBe(true);
      expect(logits.every((logit) => fromFloat16Bits(toFloat16Bits(logit)) === logit)).toBe(true);
    },
  );
});

function gpt2Inputs(ids: readonly number[], past: number) {
  const int32 = (dims: number[], data: number[]) => ({ type: 'int32', dims, data });
  return {
    inputs: {
      input_ids: int32([1, ids.length], [...ids]),
      position_ids: int32(
        [1, ids.length],
        ids.map((_, index) => past + index),
      ),
      attention_mask: int32([1, past + ids.length], new Array<number>(past + ids.length).fill(1)),
      ...Object.fromEntries(
        [0, 1, 2, 3, 4].map((layer) => [
          `past_${layer}`,
          { type: 'float32', dims: [2, 1, 4, 0, 8], data: [] as number[] },
        ]),
      ),
    },
  };
}

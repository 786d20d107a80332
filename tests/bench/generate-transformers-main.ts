/**
 * Generation by @huggingface/transformers, one by one, as it works.
 * Arguments: the package, and the folder whose node_modules hold the library.
 */
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import type { Generate } from './generate-child';
import { serveGenerations } from './generate-child';

/** As much of the library as is used; it is installed by the bench, not with the project. */
interface Transformers {
  readonly env: { allowRemoteModels: boolean; localModelPath: string };
  readonly AutoModelForCausalLM: {
    from_pretrained(name: string, options: { readonly dtype: 'fp32' }): Promise<CausalModel>;
  };
  readonly Tensor: new (type: 'int64', data: BigInt64Array, dims: readonly number[]) => object;
}
interface CausalModel {
  generate(options: {
    readonly inputs: object;
    readonly attention_mask: object;
    readonly max_new_tokens: number;
    readonly min_new_tokens: number;
    readonly do_sample: false;
    readonly streamer: { put(batch: readonly (readonly bigint[])[]): void; end(): void };
  }): Promise<{ dispose(): void }>;
}

async function main(): Promise<void> {
  const [, , folder = '', installed = ''] = process.argv;
  const load = createRequire(join(installed, 'package.json'));
  const { env, AutoModelForCausalLM, Tensor } = load('@huggingface/transformers') as Transformers;
  env.allowRemoteModels = false;
  env.localModelPath = dirname(folder);
  const model = await AutoModelForCausalLM.from_pretrained(basename(folder), { dtype: 'fp32' });
  const int64 = (values: readonly number[]): object =>
    new Tensor('int64', BigInt64Array.from(values, BigInt), [1, values.length]);
  const generate: Generate = async (prompt, maxTokens, onToken) => {
    // What is put first is the prompt.
    let isPrompt = true;
    const streamer = {
      put: ([tokens = []]: readonly (readonly bigint[])[]): void => {
        if (!isPrompt) for (const token of tokens) onToken(Number(token));
        isPrompt = false;
      },
      end: (): void => undefined,
    };
    const output = await model.generate({
      inputs: int64(prompt),
      attention_mask: int64(prompt.map(() => 1)),
      max_new_tokens: maxTokens,
      min_new_tokens: maxTokens,
      do_sample: false,
      streamer,
    });
    output.dispose();
  };
  await serveGenerations(() => Promise.resolve(generate), 'one by one');
}

void main();

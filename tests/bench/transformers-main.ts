/** @huggingface/transformers in an OS process of its own: embeds for a time, tells how many. */
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';

export interface TransformersRequest {
  readonly sentences: readonly string[];
  readonly batch: number;
  readonly durationMs: number;
}

/** As much of the library as is used; it is installed by the bench, not with the project. */
interface Transformers {
  readonly env: { allowRemoteModels: boolean; localModelPath: string };
  readonly pipeline: (
    task: 'feature-extraction',
    model: string,
    options: { readonly dtype: 'fp32' },
  ) => Promise<
    (
      texts: readonly string[],
      options: { readonly pooling: 'mean'; readonly normalize: boolean },
    ) => Promise<{ dispose(): void }>
  >;
}

/** Arguments: the model's folder, and the folder whose node_modules hold the library. */
async function main(): Promise<void> {
  const [, , folder = '', installed = ''] = process.argv;
  const load = createRequire(join(installed, 'package.json'));
  const { env, pipeline } = load('@huggingface/transformers') as Transformers;
  env.allowRemoteModels = false;
  env.localModelPath = dirname(folder);
  const extract = await pipeline('feature-extraction', basename(folder), { dtype: 'fp32' });
  process.on('disconnect', () => process.exit(0));
  process.send?.('ready');
  for (;;) {
    const [request] = (await once(process, 'message')) as [TransformersRequest];
    const { sentences, batch, durationMs } = request;
    const startMs = performance.now();
    let done = 0;
    while (performance.now() - startMs < durationMs) {
      const texts = Array.from(
        { length: batch },
        (_, index) => sentences[(done + index) % sentences.length] ?? '',
      );
      const output = await extract(texts, { pooling: 'mean', normalize: true });
      output.dispose();
      done += batch;
    }
    process.send?.((1000 * done) / (performance.now() - startMs));
  }
}

void main();

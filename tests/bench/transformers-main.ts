/** @huggingface/transformers in an OS process of its own: embeds for a time, tells how many. */
import { once } from 'node:events';
import { basename, dirname } from 'node:path';

export interface TransformersRequest {
  readonly sentences: readonly string[];
  readonly batch: number;
  readonly durationMs: number;
}

async function main(): Promise<void> {
  const { env, pipeline } = await import('@huggingface/transformers');
  const folder = process.argv[2] ?? '';
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

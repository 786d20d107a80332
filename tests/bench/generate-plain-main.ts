/**
 * The plain loop over onnxruntime-node: the prompt in one run, then a token in each, the presents
 * of a run being the pasts of the next one. No batch, no sampling, no text. Argument: the package.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Generate } from './generate-child';
import { serveGenerations } from './generate-child';

const TRIAL_TOKENS = 6;

interface Config {
  readonly num_key_value_heads: number;
  readonly head_dim: number;
}

async function main(): Promise<void> {
  const [, , folder = ''] = process.argv;
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Config;
  const generate = await bestLoop(join(folder, 'onnx', 'model.onnx'), config);
  await serveGenerations(() => Promise.resolve(generate), 'one by one');
}

/** Threads that wait by spinning are the faster ones on a machine that has nothing else to do. */
async function bestLoop(file: string, config: Config): Promise<Generate> {
  const loops: { generate: Generate; durationMs: number }[] = [];
  for (const extra of [{}, { 'session.intra_op.allow_spinning': '0' }]) {
    const session = await InferenceSession.create(file, { extra });
    const generate = loopOver(session, config);
    await generate([0], 2, () => false);
    const startMs = performance.now();
    await generate([0], TRIAL_TOKENS, () => false);
    loops.push({ generate, durationMs: performance.now() - startMs });
  }
  const [best] = loops.toSorted((a, b) => a.durationMs - b.durationMs);
  if (best === undefined) throw new Error('no session');
  return best.generate;
}

function loopOver(session: InferenceSession, config: Config): Generate {
  const pasts = session.inputNames.filter((name) => name.startsWith('past_key_values.'));
  const int64 = (values: readonly number[]): Tensor =>
    new Tensor('int64', BigInt64Array.from(values, BigInt), [1, values.length]);
  return async (prompt, maxTokens, onToken) => {
    const dims = [1, config.num_key_value_heads, 0, config.head_dim];
    const nothing = (): Tensor => new Tensor('float32', new Float32Array(0), dims);
    let states = Object.fromEntries(pasts.map((name) => [name, nothing()]));
    let fed: readonly number[] = prompt;
    for (let count = 0; count < maxTokens; count += 1) {
      const mask = new Array<number>(prompt.length + count).fill(1);
      const feeds = { input_ids: int64(fed), attention_mask: int64(mask), ...states };
      const outputs = await session.run(feeds);
      states = Object.fromEntries(
        pasts.map((name) => [name, outputs[name.replace('past_key_values', 'present')] as Tensor]),
      );
      const logits = outputs['logits'] as Tensor;
      const token = likeliest(logits.data as Float32Array, logits.dims.at(-1) ?? 0);
      if (onToken(token)) return;
      fed = [token];
    }
  };
}

/** By the logits of the last position. */
function likeliest(logits: Float32Array, vocabulary: number): number {
  const start = logits.length - vocabulary;
  let best = 0;
  for (let id = 1; id < vocabulary; id += 1) {
    if ((logits[start + id] ?? 0) > (logits[start + best] ?? 0)) best = id;
  }
  return best;
}

void main();

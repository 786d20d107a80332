/**
 * One runner of the direct arrangement: tokenizer and session in a thread of its own, nothing else.
 * Mean pooling over the tokens and L2 normalisation, as sentence encoders of this kind want it.
 */
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { InferenceSession, Tensor } from 'onnxruntime-node';

interface Tokenizer {
  encode(text: string): { readonly ids: readonly number[] };
}

// A package of ES modules, whose CommonJS build has to be required.
const { Tokenizer } = createRequire(__filename)('@huggingface/tokenizers') as {
  readonly Tokenizer: new (file: object, config: object) => Tokenizer;
};

export interface DirectRequest {
  readonly texts: readonly string[];
}
export interface DirectAnswer {
  readonly embeddings: Float32Array;
}

async function main(): Promise<void> {
  const folder = workerData as string;
  const json = (name: string): object =>
    JSON.parse(readFileSync(join(folder, name), 'utf8')) as object;
  const tokenizer = new Tokenizer(json('tokenizer.json'), json('tokenizer_config.json'));
  const session = await InferenceSession.create(join(folder, 'onnx', 'model.onnx'), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    extra: { 'session.intra_op.allow_spinning': '0' },
  });
  parentPort?.on('message', (request: DirectRequest) => {
    void embed(session, tokenizer, request.texts).then((embeddings) => {
      const answer: DirectAnswer = { embeddings };
      parentPort?.postMessage(answer, [embeddings.buffer as ArrayBuffer]);
    });
  });
  parentPort?.postMessage('ready');
}

async function embed(
  session: InferenceSession,
  tokenizer: Tokenizer,
  texts: readonly string[],
): Promise<Float32Array> {
  const rows = texts.map((text) => tokenizer.encode(text).ids);
  const length = Math.max(...rows.map((row) => row.length));
  const ids = new BigInt64Array(rows.length * length);
  const mask = new BigInt64Array(rows.length * length);
  rows.forEach((row, index) =>
    row.forEach((id, position) => {
      ids[index * length + position] = BigInt(id);
      mask[index * length + position] = 1n;
    }),
  );
  const dims = [rows.length, length];
  const inputs: Record<string, Tensor> = {
    input_ids: new Tensor('int64', ids, dims),
    attention_mask: new Tensor('int64', mask, dims),
    token_type_ids: new Tensor('int64', new BigInt64Array(ids.length), dims),
  };
  const feeds = Object.fromEntries(
    session.inputNames.map((name) => [name, inputs[name] as Tensor]),
  );
  const output = (await session.run(feeds))[session.outputNames[0] ?? ''] as Tensor;
  const values = output.data as Float32Array;
  return pooled(
    values,
    rows.map((row) => row.length),
    length,
  );
}

function pooled(values: Float32Array, counts: readonly number[], length: number): Float32Array {
  const width = values.length / counts.length / length;
  const result = new Float32Array(counts.length * width);
  counts.forEach((count, row) => {
    const target = result.subarray(row * width, (row + 1) * width);
    for (let token = 0; token < count; token += 1) {
      const start = (row * length + token) * width;
      for (let at = 0; at < width; at += 1)
        target[at] = (target[at] ?? 0) + (values[start + at] ?? 0);
    }
    const norm = Math.hypot(...target) || 1;
    for (let at = 0; at < width; at += 1) target[at] = (target[at] ?? 0) / norm;
  });
  return result;
}

void main();

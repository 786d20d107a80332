/** Rows of `llmos_models` in masses, which all name one package: for tests of long lists. */
import type { ModelRegistration } from '@llmos/base';
import { BUCKETS, encodeJson } from '@llmos/base';
import type { JetStreamClient } from 'nats';

/** The package of all rows; nothing of it is stored. */
export const ROW_DIGEST = 'a'.repeat(64);

/** As long as a row of a small package is: about 1 kB. */
export function modelRow(index: number): ModelRegistration {
  const name = `row-${String(index).padStart(5, '0')}`;
  const files = Array.from({ length: 6 }, (_, file) => ({
    path: `onnx/part-${file}.onnx`,
    sha256: ROW_DIGEST,
    bytes: 1,
  }));
  return {
    name,
    version: '1',
    digest: ROW_DIGEST,
    files,
    manifest: { task: 'infer', graph: 'onnx/part-0.onnx', description: 'x'.repeat(200) },
    footprintBytes: 1,
    addedWallMs: index,
  };
}

/** Publishes the rows as a kernel writes them, many at a time. */
export async function addModelRows(
  jetstream: JetStreamClient,
  range: { readonly from: number; readonly to: number },
): Promise<void> {
  const inFlight = 64;
  for (let next = range.from; next < range.to; next += inFlight) {
    const indices = Array.from(
      { length: Math.min(inFlight, range.to - next) },
      (_, at) => next + at,
    );
    await Promise.all(
      indices.map(async (index) => {
        const row = modelRow(index);
        const subject = `$KV.${BUCKETS.models}.${row.name}/${row.version}`;
        await jetstream.publish(subject, encodeJson(row));
      }),
    );
  }
}

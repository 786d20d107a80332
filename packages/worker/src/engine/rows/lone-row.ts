/**
 * Whether the runtime rounds a step of one row otherwise than the same row in a step of several.
 * For weights of few bits it has a way of its own to multiply one row, which on CPUs without
 * AVX-512 adds in another order. Measured, for that is its business: the next version may differ.
 */
import type { DecoderRows } from './decoder-rows';

/** Takes two rows that are free, and leaves them free. */
export async function roundsLoneRow(rows: DecoderRows): Promise<boolean> {
  // An ordinary word: the first and the last ones may be such as the model never learnt.
  const id = Math.floor((rows.vocabularySize ?? 2) / 2);
  const both = [await rows.open(), await rows.open()];
  const together = (await rows.decode(both, [id, id])).slice();
  for (const row of both) rows.cut(row, 0);
  const alone = await rows.decode(both.slice(0, 1), [id]);
  for (const row of both) rows.close(row);
  return alone.some((logit, at) => !Object.is(logit, together[at]));
}

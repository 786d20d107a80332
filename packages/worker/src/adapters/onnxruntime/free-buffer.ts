/**
 * Gives up the memory that the runtime shows to JavaScript, without waiting for the collector.
 *
 * The runtime wraps every output in an array of its own, even where it filled one of ours. V8
 * counts such an array as newly allocated memory: with keys and values filled in place that is all
 * of them at every step, and each few steps the whole heap would be collected for nothing. A buffer
 * that is transferred away counts no more. Node 20 has `transfer` behind a flag, which holds for
 * contexts that are created after it is set.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Transfer = (this: ArrayBuffer, byteLength: number) => ArrayBuffer;

function findTransfer(): Transfer | undefined {
  const name = 'transfer';
  const own = (ArrayBuffer.prototype as { [name]?: Transfer })[name];
  if (own !== undefined) return own;
  setFlagsFromString('--harmony-rab-gsab-transfer');
  return runInNewContext(`ArrayBuffer.prototype.${name}`) as Transfer | undefined;
}

export type FreeBuffer = (buffer: ArrayBuffer) => void;

/** What frees a buffer on this Node; arrays over it are empty afterwards. */
export function bufferFreer(): FreeBuffer {
  const transfer = findTransfer();
  return (buffer) => void transfer?.call(buffer, 0);
}

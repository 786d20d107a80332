/** The digest of a task's body that is kept with its id. */
import { createHash } from 'node:crypto';

/**
 * 64 bits are enough to tell bodies of one id apart, and few enough to be kept for every task that
 * waits; nobody but the tenant itself could gain by a collision.
 *
 * @param model of the header `Llmos-Model`, which stands for a field of the body.
 */
export function digestBody(body: Uint8Array, model = ''): string {
  const hash = createHash('sha256').update(body);
  if (model !== '') hash.update(`\n${model}`);
  return hash.digest().subarray(0, 8).toString('base64url');
}

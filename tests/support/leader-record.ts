/** Plays a kernel that was granted an epoch: processes and agents believe no other epoch. */
import { LEADER_KEY, encodeJson } from '@llmos/base';
import type { KV } from 'nats';

/** The bucket's revision is raised to the epoch first, as it is where a lease was granted. */
export async function writeLeader(
  bucket: KV,
  of: { readonly epoch: number; readonly grpcUrl?: string },
): Promise<void> {
  const { epoch, grpcUrl = '127.0.0.1:1' } = of;
  const record = { kernelId: `k${epoch}`, epoch, httpUrl: '', grpcUrl, isReleased: false };
  for (let revision = 0; revision < epoch - 1;) revision = await bucket.put('other', '');
  await bucket.put(LEADER_KEY, encodeJson(record));
}

import { parseDelivery } from './delivery';

it('reads a delivery of old and new servers', () => {
  const old = '$JS.ACK.LLMOS_TASKS.intake-3-batch.1.17.4.1700000000123456789.0';
  expect(parseDelivery(old)).toEqual({
    sequence: 17,
    consumerSequence: 4,
    pending: 0,
    storedWallMs: 1_700_000_000_123,
  });
  const next = '$JS.ACK._.ACCHASH.LLMOS_TASKS.intake-3-batch.1.17.4.1700000000123456789.0.x';
  expect(parseDelivery(next)?.sequence).toBe(17);
  expect(parseDelivery('_INBOX.abc')).toBeUndefined();
  expect(parseDelivery('$JS.ACK.a.b.c.d.e.f.g')).toBeUndefined();
});

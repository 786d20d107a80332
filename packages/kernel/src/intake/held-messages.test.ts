import { HeldMessages } from './held-messages';

it('holds bodies within the budget and acknowledges the latest delivery once', () => {
  const held = new HeldMessages(10);
  held.hold(1, 'ack-1', new Uint8Array(8));
  held.hold(2, 'ack-2', new Uint8Array(8));
  held.hold(1, 'ack-1b', new Uint8Array(8));
  expect([held.bodyOf(1)?.length, held.bodyOf(2)]).toEqual([8, undefined]);
  expect([held.release(1), held.release(1)]).toEqual(['ack-1b', undefined]);
  held.hold(3, 'ack-3', new Uint8Array(8));
  expect(held.bodyOf(3)?.length).toBe(8);
  expect(held.count).toBe(2);
});

it.each([0, 5, 1_024, 1_025])('gives a body of %d bytes back as it was', (length) => {
  const held = new HeldMessages(10_000);
  const body = Uint8Array.from({ length }, (_, index) => (index * 7) % 256);
  held.hold(1, 'ack', body);
  expect(Buffer.from(held.bodyOf(1) ?? [])).toEqual(Buffer.from(body));
  expect(held.release(1)).toBe('ack');
});

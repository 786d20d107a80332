import type { NatsConnection } from 'nats';
import { batchWrites } from './write-batches';

/** The parts of the client's connection that are used, and what they wrote. */
class FakeProtocol {
  readonly writes: number[] = [];
  isClosed = false;
  private waitingBytes = 0;
  readonly outbound = { size: (): number => this.waitingBytes };

  publish(bytes: number): void {
    this.waitingBytes += bytes;
    this.flushPending();
  }

  flushPending(): void {
    if (this.waitingBytes > 0) this.writes.push(this.waitingBytes);
    this.waitingBytes = 0;
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}

function batched(): FakeProtocol {
  const protocol = new FakeProtocol();
  batchWrites({ protocol } as unknown as NatsConnection);
  return protocol;
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

it('writes once what is published in one turn of the event loop', async () => {
  const protocol = batched();
  protocol.publish(10);
  await Promise.resolve();
  protocol.publish(20);
  expect(protocol.writes).toEqual([]);
  await turn();
  expect(protocol.writes).toEqual([30]);
});

it('writes again in the next turn', async () => {
  const protocol = batched();
  protocol.publish(10);
  await turn();
  protocol.publish(20);
  await turn();
  expect(protocol.writes).toEqual([10, 20]);
});

it('writes at once where much waits', async () => {
  const protocol = batched();
  protocol.publish(40 * 1024);
  protocol.publish(40 * 1024);
  expect(protocol.writes).toEqual([80 * 1024]);
  await turn();
  expect(protocol.writes).toHaveLength(1);
});

it('writes what waits before it closes', async () => {
  const protocol = batched();
  protocol.publish(10);
  const closed = protocol.close();
  expect(protocol.writes).toEqual([10]);
  await closed;
  expect(protocol.isClosed).toBe(true);
});

it('leaves a client alone whose parts are others', () => {
  const protocol = { flushPending: () => undefined };
  const { flushPending } = protocol;
  batchWrites({ protocol } as unknown as NatsConnection);
  expect(protocol.flushPending).toBe(flushPending);
  expect(() => batchWrites({} as NatsConnection)).not.toThrow();
});

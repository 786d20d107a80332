/**
 * The other OS process of the bare figures: answers requests on `bench.echo`, and works off a work
 * queue as plainly as it can be done (pull, publish the result where none is yet, acknowledge).
 */
import { connect } from 'nats';
import type { JsMsg } from 'nats';
import { BARE } from './bare-nats';

async function main(): Promise<void> {
  const connection = await connect({ servers: process.argv[2] ?? '' });
  const jetstream = connection.jetstream();
  connection.subscribe(BARE.request, { callback: (_, msg) => void msg.respond(msg.data) });
  const consumer = await jetstream.consumers.get(BARE.tasks, BARE.consumer);
  const messages = await consumer.consume({ max_messages: 256 });
  const work = async (msg: JsMsg): Promise<void> => {
    const id = msg.subject.slice(msg.subject.lastIndexOf('.') + 1);
    const expect = { lastSubjectSequence: 0 };
    await jetstream.publish(`${BARE.resultPrefix}.${id}`, msg.data, { expect });
    msg.ack();
  };
  process.send?.('ready');
  process.on('disconnect', () => process.exit(0));
  for await (const msg of messages) void work(msg);
}

void main();

import { JsHeaders, headers } from '@llmos/wire';
import type { Msg, NatsConnection } from '@llmos/wire';
import { answerFlowControl } from './push-consumer';

const FLOW = '$JS.FC.LLMOS_RESULTS.consumer.a1';

it.each([
  ['a question', 100, { reply: FLOW }, [FLOW]],
  ['a heartbeat', 100, {}, []],
  ['a heartbeat of a consumer that waits for an answer', 100, { stalled: FLOW }, [FLOW]],
  ['another status', 409, { reply: FLOW, stalled: FLOW }, []],
])('flow control: %s', (_what, status, of: { reply?: string; stalled?: string }, answered) => {
  const all = headers(status, 'Idle Heartbeat');
  if (of.stalled !== undefined) all.set(JsHeaders.ConsumerStalledHdr, of.stalled);
  const msg = { subject: 'inbox', data: new Uint8Array(0), headers: all, reply: of.reply ?? '' };
  const published: string[] = [];
  const connection = { publish: (subject: string) => void published.push(subject) };
  answerFlowControl(connection as unknown as NatsConnection, msg as unknown as Msg);
  expect(published).toEqual(answered);
});

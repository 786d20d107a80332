import { encodeJson } from '@llmos/base';
import { createMemoryLink, memoryMessage } from '../../testing';
import type { OutgoingMessage } from '../../ports/message-link';
import { createJetStreamStoredMessages } from './jetstream-stored-messages';

const of = { stream: 'S', subject: 'a.b' };

/** Nobody answers a direct get; the stream is as its description says. */
function setUp(description: Readonly<Record<string, unknown>>) {
  const link = createMemoryLink(({ subject }: OutgoingMessage) => {
    const answer = (body: unknown) =>
      ({ kind: 'answered', message: memoryMessage('_INBOX.1', encodeJson(body)) }) as const;
    if (subject === '$JS.API.STREAM.INFO.S') return answer(description);
    if (subject === '$JS.API.STREAM.MSG.GET.S') {
      return answer({ message: { seq: 7, subject: 'a.b', data: 'aGk=', time: '' } });
    }
    return { kind: 'no-responders' };
  });
  const asked = (): string[] => link.sent.map(({ subject }) => subject.replace('$JS.API.', ''));
  return { stored: createJetStreamStoredMessages(link), asked };
}

it('asks a stream without direct get for the message, and directly only once', async () => {
  const { stored, asked } = setUp({ config: { allow_direct: false }, state: { messages: 1 } });
  const found = { kind: 'found', message: { sequence: 7, subject: 'a.b' } };
  expect(await stored.readLast(of)).toMatchObject(found);
  expect(await stored.readLast(of)).toMatchObject(found);
  const get = 'STREAM.MSG.GET.S';
  expect(asked()).toEqual(['DIRECT.GET.S.a.b', 'STREAM.INFO.S', get, get]);
});

it.each([
  ['is being made, with direct get', { config: { allow_direct: true } }, 'unavailable'],
  ['is being made, without', { config: { allow_direct: false } }, 'absent'],
  ['is not there', { error: { code: 404, err_code: 10_059 } }, 'unavailable'],
])('does not ask for a message of a stream that %s', async (_, description, kind) => {
  const { stored, asked } = setUp(description);
  expect((await stored.readLast(of)).kind).toBe(kind);
  expect(asked()).toEqual(['DIRECT.GET.S.a.b', 'STREAM.INFO.S']);
});

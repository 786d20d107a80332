import type { GenerateChunk, TaskId, TenantId } from '@llmos/base';
import { HEADERS, decodeJson, encodeJson, seededRandom, success, systemClock } from '@llmos/base';
import { createSystemDoorbell } from './adapters/system/system-doorbell';
import { openAttachedStream } from './attached-stream';
import { createMemoryLink, memoryMessage } from './testing';

const DELIVER = 'llmos.v1.deliver.t.me';
const chunk = (index: number): GenerateChunk => ({ index, text: `t${index}`, tokens: [index] });
const output = (count: number) => ({
  text: Array.from({ length: count }, (_, index) => `t${index}`).join(''),
  tokens: Array.from({ length: count }, (_, index) => index),
  promptTokens: 1,
  finishReason: 'stop',
});

type Send = (body: unknown, end?: 'result' | 'detached') => void;

/** A kernel that does what the test says when it is asked to attach from an index. */
function setUp(onAttach: (fromIndex: number, send: Send) => void, fromIndex = 0) {
  const asked: number[] = [];
  const message: Send = (body, end) =>
    link.deliver(DELIVER, body === '' ? new Uint8Array(0) : encodeJson(body), {
      [HEADERS.task]: 'story',
      ...(end === undefined ? {} : { [HEADERS.end]: end }),
    });
  const link = createMemoryLink((request) => {
    const { fromIndex: from = 0 } = decodeJson(request.body) as { fromIndex?: number };
    asked.push(from);
    queueMicrotask(() => onAttach(from, message));
    const body = encodeJson(success({ task: 'story', subject: DELIVER, state: 'running' }));
    return { kind: 'answered', message: memoryMessage('_INBOX.1', body) };
  });
  const stream = openAttachedStream(
    {
      tenant: 't' as TenantId,
      principal: 'operator' as TenantId,
      timeoutMs: 60_000,
      link,
      stored: undefined as never,
      clock: systemClock,
      random: seededRandom(1),
      createDoorbell: createSystemDoorbell,
      newTaskId: () => 'me' as TaskId,
      callerId: () => undefined,
    },
    {
      task: 'story' as TaskId,
      untilMs: systemClock.nowMs() + 60_000,
      signal: undefined,
      fromIndex,
    },
  );
  return { stream, asked, link };
}

async function read(stream: AsyncIterable<GenerateChunk>): Promise<number[]> {
  const tokens: number[] = [];
  for await (const each of stream) tokens.push(...each.tokens);
  return tokens;
}

describe('a stream through the kernel', () => {
  it('asks again from the first token that did not come', async () => {
    const { stream, asked, link } = setUp((from, send) => {
      if (from === 0) for (const index of [0, 1, 3]) send(chunk(index));
      else for (const index of [2, 3]) send(chunk(index));
      if (from > 0) send(success(output(4)), 'result');
    });
    expect(await read(stream)).toEqual([0, 1, 2, 3]);
    expect(asked).toEqual([0, 2]);
    // In the tenant's name, whoever makes the other calls.
    expect(link.sent[0]?.subject).toBe('llmos.v1.sys.t.attach');
  });

  it('asks again where the result came before the last token, and after a reconnect', async () => {
    const { stream, asked, link } = setUp((from, send) => {
      if (from === 0) {
        send(chunk(0));
        link.reconnect();
      } else if (asked.length === 2) {
        send(success(output(2)), 'result');
      } else {
        send(chunk(1));
        send(success(output(2)), 'result');
      }
    });
    expect(await read(stream)).toEqual([0, 1]);
    expect(asked).toEqual([0, 1, 1]);
  });

  it('goes on with the next leader where the kernel detaches it', async () => {
    const { stream, asked } = setUp((from, send) => {
      if (from === 0) {
        send(chunk(0));
        send('');
        send({ ok: false }, 'detached');
      } else {
        send(chunk(1));
        send(success(output(2)), 'result');
      }
    });
    expect(await read(stream)).toEqual([0, 1]);
    expect(asked).toEqual([0, 1]);
  });

  it('takes each token once, and nothing of another task', async () => {
    const { stream, link } = setUp((_from, send) => {
      send(chunk(0));
      send(chunk(0));
      link.deliver(DELIVER, encodeJson(chunk(1)), { [HEADERS.task]: 'other' });
      send(chunk(1));
      send(success(output(2)), 'result');
    });
    expect(await read(stream)).toEqual([0, 1]);
  });

  it('begins with the chunk that holds its first token', async () => {
    const { stream } = setUp((_from, send) => {
      send({ index: 2, text: 't2t3', tokens: [2, 3] });
      send(success(output(4)), 'result');
    }, 3);
    expect(await read(stream)).toEqual([2, 3]);
    expect(await stream.result).toEqual(output(4));
  });

  it('says so where tokens can’t be had', async () => {
    const { stream } = setUp((_from, send) => send(success(output(2)), 'result'));
    await expect(stream.next()).rejects.toMatchObject({ code: 'DATA_LOSS' });
  });
});

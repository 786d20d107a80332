/**
 * Steady mixed load on a running system: each kind of request in a loop of its own, with a pause
 * after each. What should fail must fail with its code; everything else must succeed.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { HEADERS, LlmosError } from '@llmos/base';
import type { LlmosClient } from '@llmos/sdk';
import { headers } from 'nats';
import type { MsgHdrs, NatsConnection } from 'nats';

export interface LoadCount {
  done: number;
  failed: number;
  lastFailure?: string;
}

export interface SoakLoad {
  readonly counts: Readonly<Record<string, LoadCount>>;
  stop(): Promise<void>;
}

interface Kind {
  readonly name: string;
  readonly pauseMs: number;
  once(round: number): Promise<void>;
}

const TEXTS = [
  'I lost my card',
  'When will the card that I ordered be here?',
  'The exchange rate on my purchase was wrong, and nobody tells me why it was changed.',
  'How do I change my PIN?',
] as const;

export function startSoakLoad(os: LlmosClient, connection: NatsConnection): SoakLoad {
  const ending = new AbortController();
  const counts: Record<string, LoadCount> = {};
  const loops = kindsOf(os, connection).map((kind) => {
    const count: LoadCount = { done: 0, failed: 0 };
    counts[kind.name] = count;
    return repeat(kind, count, ending.signal);
  });
  return {
    counts,
    stop: async () => {
      ending.abort();
      await Promise.all(loops);
    },
  };
}

async function repeat(kind: Kind, count: LoadCount, signal: AbortSignal): Promise<void> {
  for (let round = 0; !signal.aborted; round += 1) {
    try {
      await kind.once(round);
      count.done += 1;
    } catch (error) {
      count.failed += 1;
      count.lastFailure = String(error);
    }
    await pause(kind.pauseMs, undefined, { signal }).catch(() => undefined);
  }
}

function kindsOf(os: LlmosClient, connection: NatsConnection): readonly Kind[] {
  const text = (round: number): string => TEXTS[round % TEXTS.length] ?? TEXTS[0];
  const plain = (name: string, pauseMs: number, once: (round: number) => Promise<unknown>) => ({
    name,
    pauseMs,
    once: async (round: number) => void (await once(round)),
  });
  return [
    plain('echo', 100, (round) => os.echo({ round, text: text(round) })),
    plain('embed', 200, (round) => os.embed({ model: 'mini-encoder', text: text(round) })),
    plain('classify', 300, (round) =>
      os.classify({ model: 'support-intents', texts: [text(round), text(round + 1)] }),
    ),
    plain('batch', 500, async (round) => {
      const task = await os.submit('echo', { round }, { class: 'batch', key: `k${round % 7}` });
      await task.result();
    }),
    plain('generate', 1_000, (round) =>
      os.generate({ model: 'storyteller', prompt: 'Once upon a time', maxTokens: 16, seed: round }),
    ),
    plain('stream', 2_000, (round) => readStream(os, round)),
    plain('cancel', 2_000, async () => {
      const input = { model: 'storyteller', prompt: 'A king', maxTokens: 200 };
      const task = await os.submit('generate', input);
      await task.cancel();
    }),
    plain('abort', 3_000, () => leaveEarly(os)),
    plain('bad input', 1_000, (round) => sendBadInput(os, connection, round)),
    plain('system calls', 2_000, () => Promise.all([os.ps(), os.nodes(), os.info()])),
  ];
}

async function readStream(os: LlmosClient, seed: number): Promise<void> {
  let tokens = 0;
  const input = { model: 'storyteller', prompt: 'There was a girl', maxTokens: 24, seed };
  for await (const chunk of os.generate.stream(input)) tokens += chunk.tokens.length;
  if (tokens === 0) throw new Error('a stream without a token');
}

async function leaveEarly(os: LlmosClient): Promise<void> {
  const input = { model: 'storyteller', prompt: 'A long story', maxTokens: 200 };
  for await (const chunk of os.generate.stream(input)) {
    if (chunk.index >= 8) break;
  }
}

async function sendBadInput(
  os: LlmosClient,
  connection: NatsConnection,
  round: number,
): Promise<void> {
  const id = `bad-${process.pid}-${round}`;
  switch (round % 4) {
    case 0:
      return expectCode('NOT_FOUND', os.embed({ model: 'no-such-model', text: 'x' }));
    case 1:
      return expectCode(
        'INVALID_ARGUMENT',
        os.call<string>('embed', { model: 'mini-encoder', text: 7 }),
      );
    case 2:
      return expectCode('NOT_FOUND', os.call('no-such-function', {}));
    default:
      connection.publish('llmos.v1.task.standard.default.classify', Buffer.from('{"model":'), {
        headers: headersOf(id),
      });
      return expectCode('INVALID_ARGUMENT', os.task(id).result({ timeoutMs: 60_000 }));
  }
}

function headersOf(id: string): MsgHdrs {
  const written = headers();
  written.set(HEADERS.id, id);
  return written;
}

async function expectCode(code: string, promise: Promise<unknown>): Promise<void> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof LlmosError && error.code === code) return;
    throw error;
  }
  throw new Error(`a bad input succeeded, ${code} was expected`);
}

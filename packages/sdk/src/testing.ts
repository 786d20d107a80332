/** For tests of the client's parts: a message link in memory, with an answer for each request. */
import type { RequestOutcome, MessageLink, OutgoingMessage } from './ports/message-link';
import type { IncomingMessage, MessageHeaders } from './ports/message-link';

export interface MemoryLink extends MessageLink {
  /** Everything that was published or requested, in order. */
  readonly sent: OutgoingMessage[];
  /** To the subscribers of exactly this subject. */
  deliver(subject: string, body: Uint8Array, headers?: MessageHeaders): void;
  reconnect(): void;
}

/** @param answer decides what becomes of each request. */
export function createMemoryLink(
  answer: (message: OutgoingMessage) => RequestOutcome | Promise<RequestOutcome>,
): MemoryLink {
  const closing = new AbortController();
  const subscribers = new Map<string, Set<(message: IncomingMessage) => void>>();
  const reconnectCallbacks = new Set<() => void>();
  const sent: OutgoingMessage[] = [];
  return {
    sent,
    closed: closing.signal,
    maxPayloadBytes: () => 1024 * 1024,
    publish: (message) => void sent.push(message),
    request: async (message, wait) => {
      if (closing.signal.aborted) return { kind: 'closed' };
      if (wait.signal?.aborted === true) return { kind: 'aborted' };
      sent.push(message);
      return answer(message);
    },
    subscribe: (subject, deliver) => {
      const set = subscribers.get(subject) ?? new Set();
      subscribers.set(subject, set.add(deliver));
      return () => set.delete(deliver);
    },
    settle: () => Promise.resolve(),
    onReconnect: (callback) => {
      reconnectCallbacks.add(callback);
      return () => reconnectCallbacks.delete(callback);
    },
    close: async () => closing.abort(),
    deliver: (subject, body, headers) => {
      const message = memoryMessage(subject, body, headers);
      for (const deliver of subscribers.get(subject) ?? []) deliver(message);
    },
    reconnect: () => reconnectCallbacks.forEach((callback) => callback()),
  };
}

export function memoryMessage(
  subject: string,
  body: Uint8Array,
  headers: MessageHeaders = {},
): IncomingMessage {
  return { subject, body, header: (name) => headers[name], status: undefined };
}

// What reads foreign bytes, for the fuzzer.
export { packEmbedInput, unpackEmbedInput, unpackResult } from './functions/packed-embed';
export { floatsOf, readFields } from './functions/packed-reader';
export { parseGenerateOutput } from './generate-output';

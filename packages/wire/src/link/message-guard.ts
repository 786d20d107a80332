/**
 * The guard around everything that a program hears from its NATS connection.
 *
 * The client calls back inside its parser: what is thrown there ends the reading of the connection
 * for good, while everything else looks healthy. And it decodes headers where they are touched, so
 * one foreign message with a name that is not allowed is enough. Behind the guard
 * - G1: nothing that a callback throws reaches the client;
 * - G2: such a message is skipped and told of (see lost-messages.ts); the next one is heard.
 *
 * What the client reads by itself (answers to requests, watches of buckets, ordered consumers) is
 * not guarded: programs use lean-requests.ts, bucket-watch.ts and consumers of their own instead.
 */
import type { OnSkipped } from '@llmos/base';

export interface GuardedMessage {
  readonly subject: string;
}

export type MessageCallback<Message> = (error: Error | null, message: Message) => unknown;

/** What is used of the client's connection; `subscribe` is replaced. */
export interface GuardableConnection<Message extends GuardedMessage, Subscription> {
  subscribe(subject: string, options?: { callback?: MessageCallback<Message> }): Subscription;
}

/** Puts every subscription that is made on this connection from now on behind the guard. */
export function guardMessages<Message extends GuardedMessage, Subscription>(
  connection: GuardableConnection<Message, Subscription>,
  onSkipped: OnSkipped,
): void {
  const subscribe = connection.subscribe.bind(connection);
  connection.subscribe = (subject, options) => {
    const callback = options?.callback;
    // One that is read as an iterator.
    if (callback === undefined) return subscribe(subject, options);
    return subscribe(subject, { ...options, callback: guardCallback(callback, onSkipped) });
  };
}

/** @param onSkipped must not throw. */
export function guardCallback<Message extends GuardedMessage>(
  callback: MessageCallback<Message>,
  onSkipped: OnSkipped,
): (error: Error | null, message: Message) => void {
  return (error, message) => {
    try {
      const result = callback(error, message);
      if (result instanceof Promise) {
        result.catch((thrown: unknown) => onSkipped(describe(message, thrown)));
      }
    } catch (thrown) {
      onSkipped(describe(message, thrown));
    }
  };
}

function describe(message: GuardedMessage, thrown: unknown): { subject: string; reason: string } {
  // The client gives an empty object for a message where it gives an error.
  const subject = (message as Partial<GuardedMessage> | undefined)?.subject ?? '';
  return { subject, reason: thrown instanceof Error ? thrown.message : String(thrown) };
}

/** What JetStream says of a delivery in its reply subject, read without the client's classes. */
export interface Delivery {
  readonly sequence: number;
  /** Of the consumer; rises by one with each delivery. */
  readonly consumerSequence: number;
  readonly storedWallMs: number;
  /** How many come after it; not a number where the server does not say. */
  readonly pending: number;
}

/**
 * `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time ns>.<pending>`;
 * newer servers may put a domain and an account hash before the stream, and a token at the end.
 */
export function parseDelivery(reply: string): Delivery | undefined {
  const tokens = reply.split('.');
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK' || tokens.length < 9) return undefined;
  const first = tokens.length >= 11 ? 7 : 5;
  const sequence = Number(tokens[first]);
  const consumerSequence = Number(tokens[first + 1]);
  const storedWallMs = Math.floor(Number(tokens[first + 2]) / 1e6);
  const pending = Number(tokens[first + 3] ?? Number.NaN);
  const isRead =
    Number.isSafeInteger(sequence) && sequence > 0 && Number.isSafeInteger(storedWallMs);
  return isRead ? { sequence, consumerSequence, storedWallMs, pending } : undefined;
}

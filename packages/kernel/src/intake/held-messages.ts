/**
 * The messages of LLMOS_TASKS that are taken in and not acknowledged: how to acknowledge each, and
 * its body while the byte budget lasts. Bodies are copied, because the client's are views into
 * network buffers many times their size.
 *
 * A small body is kept as text behind its reply subject: one short string takes 250 bytes less than
 * a string, an array of bytes and an entry for each of them, and tasks may wait by the 100,000.
 */
import { EDGE_LIMITS } from '../edge-limits';

type Held =
  /** Reply subject, line break (no subject has one), and the bytes of the body as latin1. */
  string | { readonly reply: string; readonly body: Uint8Array | undefined };

export class HeldMessages {
  private readonly messages = new Map<number, Held>();
  private heldBytes = 0;

  constructor(private readonly budgetBytes: number) {}

  get count(): number {
    return this.messages.size;
  }

  has(sequence: number): boolean {
    return this.messages.has(sequence);
  }

  /** @param reply '' while it is not delivered. */
  hold(sequence: number, reply: string, body: Uint8Array): void {
    this.heldBytes -= bodyBytes(this.messages.get(sequence));
    const fits = this.heldBytes + body.length <= this.budgetBytes;
    if (fits) this.heldBytes += body.length;
    this.messages.set(sequence, fits ? pack(reply, body) : { reply, body: undefined });
  }

  /**
   * It is delivered, first or once more: only the latest delivery can be acknowledged.
   *
   * @returns whether it is held.
   */
  renew(sequence: number, reply: string): boolean {
    const held = this.messages.get(sequence);
    if (held === undefined) return false;
    const renewed =
      typeof held === 'string' ? reply + held.slice(held.indexOf('\n')) : { ...held, reply };
    this.messages.set(sequence, renewed);
    return true;
  }

  bodyOf(sequence: number): Uint8Array | undefined {
    const held = this.messages.get(sequence);
    if (typeof held !== 'string') return held?.body;
    return Buffer.from(held.slice(held.indexOf('\n') + 1), 'latin1');
  }

  /** Answers the reply subject to acknowledge, once. */
  release(sequence: number): string | undefined {
    const held = this.messages.get(sequence);
    this.messages.delete(sequence);
    this.heldBytes -= bodyBytes(held);
    return typeof held === 'string' ? held.slice(0, held.indexOf('\n')) : held?.reply;
  }

  clear(): void {
    this.messages.clear();
    this.heldBytes = 0;
  }
}

function pack(reply: string, body: Uint8Array): Held {
  if (body.length > EDGE_LIMITS.smallBodyBytes) return { reply, body: new Uint8Array(body) };
  // Through bytes, so that the text is one string and not a chain of its parts.
  return Buffer.concat([Buffer.from(`${reply}\n`, 'latin1'), body]).toString('latin1');
}

function bodyBytes(held: Held | undefined): number {
  if (held === undefined) return 0;
  return typeof held === 'string' ? held.length - held.indexOf('\n') - 1 : (held.body?.length ?? 0);
}

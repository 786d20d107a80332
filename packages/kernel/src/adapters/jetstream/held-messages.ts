/**
 * The messages of LLMOS_TASKS that are taken in and not acknowledged: how to acknowledge each, and
 * its body while the byte budget lasts. Bodies are copied, because the client's are views into
 * network buffers many times their size.
 */
export class HeldMessages {
  private readonly replies = new Map<number, string>();
  private readonly bodies = new Map<number, Uint8Array>();
  private heldBytes = 0;

  constructor(private readonly budgetBytes: number) {}

  get count(): number {
    return this.replies.size;
  }

  /** A redelivery replaces the reply subject: only the latest delivery can be acknowledged. */
  hold(sequence: number, reply: string, body: Uint8Array): void {
    this.replies.set(sequence, reply);
    if (this.bodies.has(sequence) || this.heldBytes + body.length > this.budgetBytes) return;
    this.bodies.set(sequence, new Uint8Array(body));
    this.heldBytes += body.length;
  }

  bodyOf(sequence: number): Uint8Array | undefined {
    return this.bodies.get(sequence);
  }

  /** Answers the reply subject to acknowledge, once. */
  release(sequence: number): string | undefined {
    const reply = this.replies.get(sequence);
    this.replies.delete(sequence);
    const body = this.bodies.get(sequence);
    if (body !== undefined) {
      this.bodies.delete(sequence);
      this.heldBytes -= body.length;
    }
    return reply;
  }

  clear(): void {
    this.replies.clear();
    this.bodies.clear();
    this.heldBytes = 0;
  }
}

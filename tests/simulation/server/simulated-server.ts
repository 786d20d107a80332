/**
 * The NATS server of a simulated system: streams that are never wrong, and a network to it that
 * may be. Messages of core NATS are lost, late or doubled; requests to the streams are slow, in any
 * order, unanswered, or done with the answer lost; a store is full or away for a while.
 */
import { BUCKETS, LEADER_STREAM, STREAMS } from '@llmos/base';
import type { Program } from '../program';
import type { World } from '../world';
import type { NewMessage, StoreOutcome, StoredMessage, StreamLimits } from './memory-stream';
import { MemoryStream } from './memory-stream';

/** What a server takes in one message; small, so that answers can be too large cheaply. */
export const MAX_PAYLOAD_BYTES = 64 * 1024;

export type Heard = (subject: string, data: Uint8Array) => void;

interface Subscriber {
  readonly program: Program;
  readonly heard: Heard;
}

/** A request that had no answer: done or not, nobody knows. */
export const UNANSWERED = Symbol('unanswered');

const ATTEMPTS_STREAM = `KV_${BUCKETS.attempts}`;
const PURGE = `$JS.API.STREAM.PURGE.${ATTEMPTS_STREAM}`;

export class SimulatedServer {
  /** Requests to streams that were sent, for the bounds on work. */
  requests = 0;
  /** Messages of core NATS that were sent. */
  published = 0;
  /** Called for acknowledgements of tasks: which consumer, which message. */
  onAcknowledged: (epoch: number, sequence: number) => void = () => undefined;
  onDeleted: (stream: string, sequence: number) => void = () => undefined;
  /** Called for each message that a stream took; `previous`: the last one of its subject before. */
  onStored: (stream: string, message: StoredMessage, previous?: StoredMessage) => void = () =>
    undefined;
  private readonly streams = new Map<string, MemoryStream>();
  private readonly exact = new Map<string, Set<Subscriber>>();
  private readonly patterned: { readonly prefix: string; readonly subscriber: Subscriber }[] = [];
  private readonly awayUntilMs = new Map<string, number>();

  constructor(private readonly world: World) {
    for (const name of [STREAMS.tasks, STREAMS.streams, STREAMS.dead]) this.add(name, 'all');
    for (const name of [STREAMS.answers, ATTEMPTS_STREAM, LEADER_STREAM]) this.add(name, 'last');
    this.add(STREAMS.results, 'first');
  }

  stream(name: string): MemoryStream {
    const stream = this.streams.get(name);
    if (stream === undefined) throw new Error(`there is no stream ${name}`);
    return stream;
  }

  /** Nothing asked of this stream is answered for so long. */
  goAway(name: string, forMs: number): void {
    this.awayUntilMs.set(name, this.world.time.nowMs + forMs);
  }

  store(name: string, message: NewMessage): StoreOutcome {
    const stream = this.stream(name);
    const previous = stream.last(message.subject);
    const outcome = stream.store(message, this.world.time.wallMs());
    if (outcome.kind === 'stored') this.onStored(name, outcome.message, previous);
    return outcome;
  }

  /** Asks something of a stream; the answer is heard where the program still runs. */
  ask<T>(program: Program, of: { name: string; timeoutMs: number }, run: () => T) {
    const { time, random, faults } = this.world;
    this.requests += 1;
    return new Promise<T | typeof UNANSWERED>((resolve) => {
      const cancel = program.after(of.timeoutMs, () => resolve(UNANSWERED));
      const isLost = random.chance(faults.lostRequestRate);
      const isSlow = random.chance(faults.slowStoreRate);
      const slowMs = isSlow ? random.next() * 4_000 : 0;
      const isSlowBefore = random.chance(0.5);
      const thereMs = 0.2 + random.next() * 4 + (isSlowBefore ? slowMs : 0);
      const backMs = 0.2 + random.next() * 4 + (isSlowBefore ? 0 : slowMs);
      const isAnswerLost = random.chance(faults.lostAnswerRate);
      if (isLost) return;
      time.after(thereMs, () => {
        if (time.nowMs < (this.awayUntilMs.get(of.name) ?? 0)) return;
        const value = run();
        if (isAnswerLost) return;
        program.after(backMs, () => {
          cancel();
          resolve(value);
        });
      });
    });
  }

  subscribe(program: Program, subject: string, heard: Heard): () => void {
    const subscriber = { program, heard };
    const star = subject.indexOf('*');
    if (star >= 0) {
      const entry = { prefix: subject.slice(0, star), subscriber };
      this.patterned.push(entry);
      return () => void this.patterned.splice(this.patterned.indexOf(entry), 1);
    }
    const all = this.exact.get(subject) ?? new Set<Subscriber>();
    this.exact.set(subject, all.add(subscriber));
    return () => {
      all.delete(subscriber);
      if (all.size === 0) this.exact.delete(subject);
    };
  }

  publish(subject: string, data: Uint8Array): void {
    this.published += 1;
    if (subject.startsWith('$JS.')) return this.obeyLater(subject, data);
    for (const subscriber of this.exact.get(subject) ?? []) this.carry(subscriber, subject, data);
    for (const { prefix, subscriber } of this.patterned) {
      if (subject.startsWith(prefix)) this.carry(subscriber, subject, data);
    }
  }

  private carry({ program, heard }: Subscriber, subject: string, data: Uint8Array): void {
    this.world.send(() => program.hear(() => heard(subject, data)));
  }

  /** Requests of JetStream that nobody waits for; a connection that stands loses none. */
  private obeyLater(subject: string, data: Uint8Array): void {
    const { time, random } = this.world;
    time.after(0.2 + random.next() * 3, () => {
      if (subject === PURGE) {
        const { filter } = JSON.parse(Buffer.from(data).toString()) as { filter: string };
        return this.stream(ATTEMPTS_STREAM).purge(filter);
      }
      const [, , epoch, sequence] = subject.split('.');
      this.onAcknowledged(Number(epoch), Number(sequence));
    });
  }

  /** As kernels make them (streams.ts). */
  private add(name: string, keeps: StreamLimits['keeps']): void {
    const limits = { maxMessageBytes: MAX_PAYLOAD_BYTES, keeps };
    this.streams.set(name, new MemoryStream(name, limits));
  }
}

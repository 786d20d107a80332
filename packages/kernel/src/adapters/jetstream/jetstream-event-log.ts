/**
 * Lifecycle events, published without waiting: JetStream stores what arrives, and nobody waits for
 * an event. While the connection is down they are dropped and counted, never piled up.
 */
import { encodeJson, subjects } from '@llmos/base';
import { followLink } from '@llmos/wire';
import type { NatsConnection } from '@llmos/wire';
import type { ToldFact } from '../../kernel-fact';
import type { EventLog } from '../../ports/event-log';
import type { KernelCounters } from '../../ports/kernel-counters';
import type { SlowLane } from './slow-lane';

export class JetStreamEventLog implements EventLog {
  private isConnected = true;

  constructor(
    private readonly options: {
      readonly connection: NatsConnection;
      readonly counters: KernelCounters;
      readonly slowLane: SlowLane;
      readonly wallMs: () => number;
    },
  ) {
    followLink(options.connection, {
      onDisconnected: () => (this.isConnected = false),
      onReconnected: () => (this.isConnected = true),
    });
  }

  publish({ principal, entity, id, what, fields }: ToldFact): void {
    if (!this.isConnected || this.options.connection.isClosed()) {
      this.options.counters.add('announcements_dropped');
      return;
    }
    const subject = subjects.event({
      principal: tokenOf(principal),
      entity,
      id: tokenOf(id),
      what: tokenOf(what),
    });
    const of = { entity, id, what, wallMs: this.options.wallMs() };
    const event = Object.assign({}, fields, of);
    this.options.slowLane.push(subject, encodeJson(event));
  }
}

/** Targets such as `name@1` are no tokens; the body has the exact text. */
function tokenOf(text: string): string {
  return text.replace(/[^A-Za-z0-9_-]/g, '-').slice(0, 64) || '-';
}

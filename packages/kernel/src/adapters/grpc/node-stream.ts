/**
 * One stream of one node agent: register first, then heartbeats and process changes.
 *
 * What breaks the protocol closes the stream with INVALID_ARGUMENT and a text that says why; an
 * agent that does not read its commands is dropped before they pile up.
 */
import { status } from '@grpc/grpc-js';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { KernelCommand, Logger, NodeId, NodeRegistration } from '@llmos/base';
import type * as wire from '@llmos/proto/node';
import { InvalidNodeMessage, readNodeMessage, writeKernelMessage } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import type { KernelEvent } from '../../kernel-event';

export type AttachCall = ServerDuplexStream<wire.NodeMessage, wire.KernelMessage>;

export interface StreamRefusal {
  readonly nodeId: NodeId | undefined;
  readonly code: status;
  readonly details: string;
}

export interface NodeStreamOptions {
  readonly call: AttachCall;
  readonly log: Logger;
  /** Answers whether the node is let in. */
  readonly onRegister: (stream: NodeStream, registration: NodeRegistration) => boolean;
  readonly onEvent: (stream: NodeStream, event: KernelEvent) => void;
  /** It breaks the protocol, and is ended. */
  readonly onRefused: (of: StreamRefusal) => void;
  readonly onClose: (stream: NodeStream) => void;
}

export class NodeStream {
  private registration: NodeRegistration | undefined;
  /** `address:port` of the other side. */
  readonly peer: string;
  private isClosed = false;
  private unsentMessages = 0;
  private readonly registerTimer: NodeJS.Timeout;

  constructor(private readonly options: NodeStreamOptions) {
    const { call } = options;
    this.peer = call.getPeer();
    this.registerTimer = setTimeout(() => {
      this.fail(status.DEADLINE_EXCEEDED, 'the first message, register, did not come');
    }, EDGE_LIMITS.registerWithinMs);
    call.on('data', (message: wire.NodeMessage) => this.receive(message));
    call.on('end', () => this.close());
    call.on('error', () => this.close());
    call.on('cancelled', () => this.close());
    call.on('close', () => this.close());
  }

  get nodeId(): NodeId | undefined {
    return this.registration?.nodeId;
  }

  get session(): string | undefined {
    return this.registration?.session;
  }

  /** @param epoch of the leadership; 0 of a kernel that does not lead. */
  send(epoch: number, command: KernelCommand): void {
    if (this.isClosed) return;
    if (this.unsentMessages >= EDGE_LIMITS.maxUnsentMessages) {
      this.fail(status.RESOURCE_EXHAUSTED, `${this.unsentMessages} commands were not read`);
      return;
    }
    this.unsentMessages += 1;
    this.options.call.write(writeKernelMessage(epoch, command), () => {
      this.unsentMessages -= 1;
    });
  }

  /** Tells the agent where the leader is, and ends the stream. */
  sendAway(leaderUrl: string): void {
    this.send(0, { kind: 'not-leader', leaderUrl });
    this.close();
  }

  fail(code: status, details: string): void {
    if (this.isClosed) return;
    this.options.onRefused({ nodeId: this.nodeId, code, details });
    this.options.call.emit('error', { code, details });
    this.close();
  }

  /** Idempotent. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    clearTimeout(this.registerTimer);
    if (!this.options.call.cancelled) this.options.call.end();
    this.options.onClose(this);
  }

  private receive(message: wire.NodeMessage): void {
    if (this.isClosed) return;
    try {
      this.take(message);
    } catch (error) {
      if (!(error instanceof InvalidNodeMessage)) {
        this.options.log.error('node-message-failed', { nodeId: this.nodeId, error });
      }
      const details = error instanceof Error ? error.message : String(error);
      this.fail(status.INVALID_ARGUMENT, details);
    }
  }

  private take(received: wire.NodeMessage): void {
    const message = readNodeMessage(received);
    if (this.registration === undefined) {
      if (message?.kind !== 'register') {
        throw new InvalidNodeMessage('the first message must be register');
      }
      return this.register(message.registration);
    }
    const { nodeId } = this.registration;
    switch (message?.kind) {
      case 'register':
        throw new InvalidNodeMessage('register came twice');
      case 'heartbeat':
        return this.options.onEvent(this, { kind: 'node-heartbeat', nodeId, ...message.beat });
      case 'process-changed':
        return this.options.onEvent(this, { ...message, nodeId });
      case undefined:
        // A newer agent may say more than this kernel knows.
        return;
    }
  }

  private register(registration: NodeRegistration): void {
    clearTimeout(this.registerTimer);
    this.registration = registration;
    if (!this.options.onRegister(this, registration)) return;
    this.options.onEvent(this, { kind: 'node-attached', ...registration });
  }
}

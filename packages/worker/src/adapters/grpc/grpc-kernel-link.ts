/** Dials the leading kernel over gRPC; one bidirectional stream per attachment. */
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { credentials } from '@grpc/grpc-js';
import type { Logger, NodeMessage, NodeRegistration } from '@llmos/base';
import * as node from '@llmos/proto/node';
import { readKernelMessage, writeNodeMessage } from '@llmos/wire';
import { AGENT_LIMITS } from '../../limits';
import { parseRegistration } from '../../models/registration';
import type { KernelLine, KernelLineEvents, KernelLink } from '../../ports/kernel-link';

const CHANNEL_OPTIONS = {
  'grpc.keepalive_time_ms': AGENT_LIMITS.keepaliveMs,
  'grpc.keepalive_timeout_ms': AGENT_LIMITS.keepaliveTimeoutMs,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.max_receive_message_length': AGENT_LIMITS.maxGrpcMessageBytes,
  'grpc.max_send_message_length': AGENT_LIMITS.maxGrpcMessageBytes,
  // The kernel is inside the cluster: a proxy for the internet can't reach it.
  'grpc.enable_http_proxy': 0,
  // Each attachment dials anew, so that a dead channel is never handed out again.
  'grpc.use_local_subchannel_pool': 1,
} as const;

export function createGrpcKernelLink(log: Logger): KernelLink {
  return {
    attach(url: string, registration: NodeRegistration, events: KernelLineEvents): KernelLine {
      const client = new node.NodeRegistryServiceClient(
        url,
        credentials.createInsecure(),
        CHANNEL_OPTIONS,
      );
      const line = new GrpcLine(client, client.attach(), events, log);
      line.write({ kind: 'register', registration });
      return line;
    },
  };
}

type Stream = ClientDuplexStream<node.NodeMessage, node.KernelMessage>;

class GrpcLine implements KernelLine {
  private isClosed = false;

  constructor(
    private readonly client: node.NodeRegistryServiceClient,
    private readonly stream: Stream,
    private readonly events: KernelLineEvents,
    private readonly log: Logger,
  ) {
    stream.on('data', (message: node.KernelMessage) => this.receive(message));
    stream.on('error', (error) => this.end(error.message));
    stream.on('end', () => this.end('the kernel closed the stream'));
  }

  write(message: NodeMessage): void {
    if (!this.isClosed) this.stream.write(writeNodeMessage(message));
  }

  heartbeat(...[beat]: Parameters<KernelLine['heartbeat']>): void {
    this.write({ kind: 'heartbeat', beat });
  }

  processChanged(...[process]: Parameters<KernelLine['processChanged']>): void {
    this.write({ kind: 'process-changed', process });
  }

  close(): Promise<void> {
    if (this.isClosed) return Promise.resolve();
    this.isClosed = true;
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.client.close();
        resolve();
      };
      const timer = setTimeout(() => {
        this.stream.cancel();
        finish();
      }, AGENT_LIMITS.lineCloseMs);
      // The kernel ends its side once it has read everything.
      this.stream.once('status', finish);
      this.stream.end();
    });
  }

  private receive(message: node.KernelMessage): void {
    if (this.isClosed) return;
    const command = readKernelMessage(message, parseRegistration);
    if (command === undefined) this.log.warn('kernel-message-unreadable');
    else this.events.command(message.epoch, command);
  }

  private end(reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.stream.cancel();
    this.client.close();
    this.events.closed(reason);
  }
}

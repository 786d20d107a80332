/**
 * The gRPC server that node agents attach to. One stream per node: a newer one replaces an older,
 * whose session may not come back while the newer one is there: two agents of one name would take
 * the node from each other for ever, with all its processes.
 *
 * A kernel that does not lead answers every agent with the leader's address. Commands to a node
 * without a stream are dropped, as the port says.
 */
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import type {
  Epoch,
  KernelCommand,
  Logger,
  NodeId,
  NodeRegistration,
  ProcessName,
} from '@llmos/base';
import { GUARD_LIMITS, PacedTelling, systemClock } from '@llmos/base';
import * as wire from '@llmos/proto/node';
import { EDGE_LIMITS } from '../../edge-limits';
import type { ProcessAddress } from '../../kernel-decision';
import type { KernelEvent } from '../../kernel-event';
import type { NodeLink } from '../../ports/node-link';
import { ConnectionGate } from './connection-gate';
import type { AttachCall, StreamRefusal } from './node-stream';
import { NodeStream } from './node-stream';

export interface NodeLinkOptions {
  readonly log: Logger;
  readonly nodeLeaseMs: number;
  /** Where the leader's registry is, as far as this kernel knows; '' if it does not. */
  readonly leaderUrl: () => string;
  /** Defaults: those of the limits. */
  readonly connections?: number;
  readonly unservedMs?: number;
  readonly unservedBytes?: number;
}

/** Of the leadership that nodes attach to. */
interface ServedLeadership {
  readonly epoch: Epoch;
  readonly deliver: (event: KernelEvent) => void;
}

export class GrpcNodeLink implements NodeLink {
  private readonly server: Server;
  private readonly gate: ConnectionGate;
  private readonly streams = new Set<NodeStream>();
  /** Those that were let in as a node. */
  private readonly served = new Set<NodeStream>();
  private readonly byNode = new Map<NodeId, NodeStream>();
  /** Sessions that the attached one of their node replaced. */
  private readonly replaced = new Map<NodeId, readonly string[]>();
  private active: ServedLeadership | undefined;
  private readonly refusals = new PacedTelling({
    clock: systemClock,
    everyMs: GUARD_LIMITS.lostLogMs,
  });

  constructor(private readonly options: NodeLinkOptions) {
    this.server = new Server({
      'grpc.max_receive_message_length': EDGE_LIMITS.maxNodeMessageBytes,
      'grpc.max_send_message_length': EDGE_LIMITS.maxKernelMessageBytes,
      'grpc.keepalive_time_ms': EDGE_LIMITS.grpcKeepaliveMs,
      'grpc.keepalive_timeout_ms': EDGE_LIMITS.grpcKeepaliveTimeoutMs,
      'grpc.keepalive_permit_without_calls': 1,
      'grpc.max_concurrent_streams': EDGE_LIMITS.maxStreamsOfConnection,
    });
    const injector = this.server.createConnectionInjector(ServerCredentials.createInsecure());
    this.gate = new ConnectionGate({
      most: options.connections ?? EDGE_LIMITS.maxNodeConnections,
      unservedMs: options.unservedMs ?? EDGE_LIMITS.unservedMs,
      unservedBytes: options.unservedBytes ?? EDGE_LIMITS.unservedBytes,
      lookMs: EDGE_LIMITS.unservedLookMs,
      onConnection: (socket) => injector.injectConnection(socket),
    });
    this.server.addService(wire.NodeRegistryServiceService, {
      attach: (call: AttachCall) => this.attach(call),
    });
  }

  /** Answers the port. Rejects with an LlmosError that names the address. */
  listen(host: string, port: number): Promise<number> {
    return this.gate.listen(host, port);
  }

  begin(epoch: Epoch, deliver: (event: KernelEvent) => void): void {
    this.active = { epoch, deliver };
  }

  end(): void {
    this.active = undefined;
    for (const stream of [...this.streams]) stream.sendAway(this.options.leaderUrl());
    this.byNode.clear();
    this.replaced.clear();
  }

  startProcess({ to, ...of }: Parameters<NodeLink['startProcess']>[0]): void {
    const { registration, ...spec } = of;
    const model = registration === undefined ? {} : { registration };
    this.order(to, { kind: 'start', ...nameOf(to), spec: { ...spec, ...model } });
  }

  stopProcess(to: ProcessAddress, graceMs: number): void {
    this.order(to, { kind: 'stop', ...nameOf(to), graceMs });
  }

  /** Stops taking streams and ends those there are. */
  async close(): Promise<void> {
    this.end();
    this.gate.close();
    await new Promise<void>((resolve) => {
      const force = setTimeout(() => {
        this.server.forceShutdown();
        resolve();
      }, 500);
      this.server.tryShutdown(() => {
        clearTimeout(force);
        resolve();
      });
    });
    this.gate.destroyAll();
  }

  private order(to: ProcessAddress, command: KernelCommand): void {
    const { active } = this;
    if (active === undefined) return;
    this.byNode.get(to.nodeId)?.send(active.epoch, command);
  }

  /** Whoever opens one stream after the other must not fill the log. */
  private tellRefused({ nodeId, code, details }: StreamRefusal): void {
    this.refusals.note((streams) =>
      this.options.log.warn('node-stream-refused', { nodeId, code, details, streams }),
    );
  }

  private attach(call: AttachCall): void {
    const stream = new NodeStream({
      call,
      log: this.options.log,
      onRegister: (from, registration) => this.letIn(from, registration),
      onEvent: (from, event) => {
        if (from.nodeId !== undefined && this.byNode.get(from.nodeId) === from) {
          this.active?.deliver(event);
        }
      },
      onRefused: (refusal) => this.tellRefused(refusal),
      onClose: (from) => this.leave(from),
    });
    this.streams.add(stream);
    if (this.active === undefined) stream.sendAway(this.options.leaderUrl());
  }

  private letIn(stream: NodeStream, registration: NodeRegistration): boolean {
    const { active } = this;
    if (active === undefined) {
      stream.sendAway(this.options.leaderUrl());
      return false;
    }
    const { nodeId, session } = registration;
    const before = this.byNode.get(nodeId);
    if (before === undefined && this.byNode.size >= EDGE_LIMITS.maxNodes) {
      stream.fail(status.RESOURCE_EXHAUSTED, `${this.byNode.size} nodes are attached already`);
      return false;
    }
    if (before !== undefined && !this.replace(before, { nodeId, session })) {
      const advice = 'give each worker a name of its own (LLMOS_NODE)';
      stream.fail(status.ALREADY_EXISTS, `another worker is attached as ${nodeId}: ${advice}`);
      return false;
    }
    this.byNode.set(nodeId, stream);
    this.served.add(stream);
    this.gate.serve(stream.peer);
    before?.close();
    const { nodeLeaseMs } = this.options;
    stream.send(active.epoch, {
      kind: 'welcome',
      heartbeatMs: Math.max(50, Math.floor(nodeLeaseMs / 5)),
      leaseMs: nodeLeaseMs,
    });
    this.options.log.info('node-registered', { nodeId, session });
    return true;
  }

  /** Whether this session may take the place of the one that is attached. */
  private replace(
    before: NodeStream,
    by: { readonly nodeId: NodeId; readonly session: string },
  ): boolean {
    const replaced = this.replaced.get(by.nodeId) ?? [];
    if (replaced.includes(by.session)) return false;
    if (before.session === undefined || before.session === by.session) return true;
    const remembered = [...replaced, before.session].slice(-EDGE_LIMITS.maxReplacedSessions);
    this.replaced.set(by.nodeId, remembered);
    return true;
  }

  private leave(stream: NodeStream): void {
    this.streams.delete(stream);
    if (this.served.delete(stream)) this.gate.release(stream.peer);
    const { nodeId, session } = stream;
    if (nodeId === undefined || session === undefined) return;
    if (this.byNode.get(nodeId) !== stream) return;
    this.byNode.delete(nodeId);
    this.replaced.delete(nodeId);
    this.options.log.info('node-detached', { nodeId, session });
    this.active?.deliver({ kind: 'node-detached', nodeId, session });
  }
}

function nameOf({ pid, incarnation }: ProcessAddress): ProcessName {
  return { pid, incarnation };
}

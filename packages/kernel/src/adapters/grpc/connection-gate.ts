/**
 * The port of the node registry: which connections there may be, and for how long.
 *
 * A connection serves a node, or it ends after a bound, whatever it says or does not say. Where
 * there are as many as there may be, a new one takes the place of the one that has served no node
 * for longest: so silent ones, however many, never keep a node out. What those without a node have
 * sent, perhaps the beginnings of messages that never end, has a bound together: beyond it the
 * one that sent the most is closed. Sole owner of the sockets.
 */
import type { Server as NetServer, Socket } from 'node:net';
import { createServer } from 'node:net';
import { LlmosError, formatAddress } from '@llmos/base';

export interface ConnectionGateOptions {
  readonly most: number;
  /** How long a connection may be there without serving a node. */
  readonly unservedMs: number;
  /** What connections without a node may have sent, all together. */
  readonly unservedBytes: number;
  /** How often that is looked at. */
  readonly lookMs: number;
  /** Called with each connection that is let in. */
  readonly onConnection: (socket: Socket) => void;
}

interface Connection {
  readonly socket: Socket;
  /** Registered streams on it. */
  nodes: number;
  /** Bytes that had come before it was without a node. */
  readBefore: number;
  timer: NodeJS.Timeout | undefined;
}

export class ConnectionGate {
  private readonly server: NetServer;
  /** By peer, those that have been there for longest first. */
  private readonly connections = new Map<string, Connection>();
  private looking: NodeJS.Timeout | undefined;

  constructor(private readonly options: ConnectionGateOptions) {
    this.server = createServer({ noDelay: true }, (socket) => this.letIn(socket));
  }

  /** Answers the port. Rejects with an LlmosError that names the address. */
  listen(host: string, port: number): Promise<number> {
    const address = formatAddress(host, port);
    return new Promise((resolve, reject) => {
      this.server.once('error', (error) => {
        const reason = `the node registry can't listen at ${address}: ${error.message}`;
        const message = `${reason}; LLMOS_GRPC_PORT chooses another port`;
        reject(new LlmosError('UNAVAILABLE', message, { cause: error }));
      });
      this.server.listen(port, host, () => {
        const bound = this.server.address();
        resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
      });
    });
  }

  /** A stream of this peer registered. @param peer `address:port`, as gRPC names it. */
  serve(peer: string): void {
    const connection = this.connections.get(peer);
    if (connection === undefined) return;
    connection.nodes += 1;
    clearTimeout(connection.timer);
  }

  /** Such a stream has ended. */
  release(peer: string): void {
    const connection = this.connections.get(peer);
    if (connection === undefined || connection.nodes === 0) return;
    connection.nodes -= 1;
    if (connection.nodes > 0) return;
    this.connections.delete(peer);
    this.connections.set(peer, connection);
    connection.readBefore = connection.socket.bytesRead;
    this.giveTime(connection);
  }

  /** Takes nothing new; those that are there stay until `destroyAll`. */
  close(): void {
    this.server.close();
  }

  destroyAll(): void {
    clearInterval(this.looking);
    for (const { socket } of this.connections.values()) socket.destroy();
  }

  private letIn(socket: Socket): void {
    // It may be gone already.
    const { remoteAddress, remotePort } = socket;
    if (remoteAddress === undefined || !this.makeRoom()) {
      socket.destroy();
      return;
    }
    const peer = `${remoteAddress}:${remotePort ?? 0}`;
    const connection: Connection = { socket, nodes: 0, readBefore: 0, timer: undefined };
    this.connections.set(peer, connection);
    this.giveTime(connection);
    socket.once('close', () => {
      clearTimeout(connection.timer);
      if (this.connections.get(peer) === connection) this.connections.delete(peer);
    });
    this.options.onConnection(socket);
  }

  private makeRoom(): boolean {
    if (this.connections.size < this.options.most) return true;
    for (const [peer, { socket, nodes }] of this.connections) {
      if (nodes > 0) continue;
      this.connections.delete(peer);
      socket.destroy();
      return true;
    }
    return false;
  }

  private giveTime(connection: Connection): void {
    connection.timer = setTimeout(() => connection.socket.destroy(), this.options.unservedMs);
    this.looking ??= setInterval(() => this.lookAtBytes(), this.options.lookMs);
  }

  /** The sockets are read by HTTP/2, so what they have read is all that can be seen of them. */
  private lookAtBytes(): void {
    const unserved = [...this.connections.values()].filter(({ nodes }) => nodes === 0);
    if (unserved.length === 0) {
      clearInterval(this.looking);
      this.looking = undefined;
      return;
    }
    const sizes = unserved.map(({ socket, readBefore }) => {
      return { socket, bytes: socket.bytesRead - readBefore };
    });
    let total = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
    if (total <= this.options.unservedBytes) return;
    for (const { socket, bytes } of sizes.sort((a, b) => b.bytes - a.bytes)) {
      socket.destroy();
      total -= bytes;
      if (total <= this.options.unservedBytes) return;
    }
  }
}

/** The HTTP server of a program for probes and scrapers: bounded, whatever its clients do. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { LlmosError } from '../../errors';
import { formatAddress } from '../../exposure';

export interface ProbeServerOptions {
  /** A client that sends or takes nothing for this long makes room for others. */
  readonly idleMs: number;
  /** Beyond, a new one takes the place of one that waits, from the address with most of them. */
  readonly connections: number;
  /** Where it rejects, the connection is broken. */
  readonly answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
}

export class ProbeServer {
  private readonly server: Server;
  private readonly room: ConnectionRoom;

  constructor({ idleMs, connections, answer }: ProbeServerOptions) {
    this.room = new ConnectionRoom(connections);
    // Node looks for late requests each half minute otherwise, and never for clients that only listen.
    const bounds = { requestTimeout: idleMs, headersTimeout: idleMs };
    this.server = createServer(
      { ...bounds, connectionsCheckingInterval: idleMs },
      (request, response) => {
        this.room.answer(request.socket, response);
        answer(request, response).catch(() => response.destroy());
      },
    );
    this.server.timeout = idleMs;
    this.server.on('connection', (socket) => this.room.take(socket));
  }

  /** @param port 0: any free one. Answers the URL. Rejects with UNAVAILABLE, naming the address. */
  listen(host: string, port: number): Promise<string> {
    return new Promise((resolve, reject) => {
      this.server.once('error', (error) => {
        const reason = `the HTTP port can't listen at ${formatAddress(host, port)}: ${error.message}`;
        const message = `${reason}; LLMOS_HTTP_PORT chooses another port`;
        reject(new LlmosError('UNAVAILABLE', message, { cause: error }));
      });
      this.server.listen(port, host, () => {
        const address = this.server.address();
        const bound = typeof address === 'object' && address !== null ? address.port : port;
        resolve(`http://${formatAddress(host, bound)}`);
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }
}

/** The connections there are: those that wait for a request, and those that are being answered. */
class ConnectionRoom {
  /** By address; those that have waited for longest first. */
  private readonly waiting = new Map<string, Set<Socket>>();
  private count = 0;

  constructor(private readonly most: number) {}

  take(socket: Socket): void {
    if (this.count >= this.most && !this.makeRoom()) {
      socket.destroy();
      return;
    }
    const address = socket.remoteAddress ?? '';
    this.count += 1;
    this.wait(address, socket);
    socket.once('close', () => {
      this.count -= 1;
      this.leave(address, socket);
    });
  }

  answer(socket: Socket, response: ServerResponse): void {
    const address = socket.remoteAddress ?? '';
    this.leave(address, socket);
    response.once('close', () => {
      if (!socket.destroyed) this.wait(address, socket);
    });
  }

  private wait(address: string, socket: Socket): void {
    const waiting = this.waiting.get(address) ?? new Set();
    this.waiting.set(address, waiting.add(socket));
  }

  private leave(address: string, socket: Socket): void {
    const waiting = this.waiting.get(address);
    if (waiting?.delete(socket) === true && waiting.size === 0) this.waiting.delete(address);
  }

  private makeRoom(): boolean {
    let most: Set<Socket> | undefined;
    for (const waiting of this.waiting.values()) {
      if (waiting.size > (most?.size ?? 0)) most = waiting;
    }
    const [socket] = most ?? [];
    socket?.destroy();
    return socket !== undefined;
  }
}

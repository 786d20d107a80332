/** A way to a NATS server that can lose what the server says, break, and answer nobody. */
import { createServer, connect as connectTcp } from 'node:net';
import type { Server, Socket } from 'node:net';

export class NatsProxy {
  private isSwallowing = false;
  private isHolding = false;
  /** Connections that were not answered. */
  unanswered = 0;
  /** All that ever came. */
  connections = 0;
  private isMute = false;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async start(port: number): Promise<NatsProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
    const proxy = new NatsProxy(server, `nats://127.0.0.1:${address.port}`);
    server.on('connection', (client) => proxy.join(client, port));
    return proxy;
  }

  /** From now on nothing that the server says arrives, until `cut`. */
  swallow(): void {
    this.isSwallowing = true;
  }

  /** From now on nothing that the client says arrives, until `cut`. */
  mute(): void {
    this.isMute = true;
  }

  /** From now on the connections that there are take nothing more, from either side, and stay. */
  freeze(): void {
    for (const socket of this.sockets) socket.pause();
  }

  /** Breaks every connection; new ones are whole. */
  cut(): void {
    this.isSwallowing = this.isMute = false;
    for (const socket of this.sockets) socket.destroy();
  }

  /** From now on new connections are accepted and never answered, until `answer`. */
  hold(): void {
    this.isHolding = true;
  }

  answer(): void {
    this.isHolding = false;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private join(client: Socket, port: number): void {
    this.connections += 1;
    if (this.isHolding) return this.ignore(client);
    const server = connectTcp(port, '127.0.0.1');
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.sockets.add(from);
      from.on('data', (bytes) => {
        const isLost = from === client ? this.isMute : this.isSwallowing;
        if (!isLost) to.write(bytes);
      });
      from.on('error', () => undefined); // a cut; `close` follows
      from.on('close', () => {
        this.sockets.delete(from);
        to.destroy();
      });
    }
  }

  private ignore(client: Socket): void {
    this.sockets.add(client);
    this.unanswered += 1;
    client.resume();
    client.on('error', () => undefined);
    client.on('close', () => this.sockets.delete(client));
  }
}

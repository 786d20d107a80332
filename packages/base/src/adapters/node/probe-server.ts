/** The HTTP server of a program for probes and scrapers: bounded, whatever its clients do. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { LlmosError } from '../../errors';
import { formatAddress } from '../../exposure';

export interface ProbeServerOptions {
  /** A client that sends or takes nothing for this long makes room for others. */
  readonly idleMs: number;
  readonly connections: number;
  /** Where it rejects, the connection is broken. */
  readonly answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
}

export class ProbeServer {
  private readonly server: Server;

  constructor({ idleMs, connections, answer }: ProbeServerOptions) {
    // Node looks for late requests each half minute otherwise, and never for clients that only listen.
    const bounds = { requestTimeout: idleMs, headersTimeout: idleMs };
    this.server = createServer(
      { ...bounds, connectionsCheckingInterval: idleMs },
      (request, response) => {
        answer(request, response).catch(() => response.destroy());
      },
    );
    this.server.timeout = idleMs;
    this.server.maxConnections = connections;
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

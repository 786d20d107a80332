/** `/livez`, `/readyz` and `/metrics`. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { LlmosError } from '@llmos/base';
import { EDGE_LIMITS } from '../../edge-limits';

export interface Readiness {
  readonly isReady: boolean;
  /** For people: what it is, or what it waits for. */
  readonly state: string;
}

export interface HttpStatusOptions {
  readonly readiness: () => Readiness;
  readonly metrics: () => Promise<string>;
  readonly metricsType: string;
  /** Default: that of the limits. */
  readonly idleMs?: number;
}

export class HttpStatusServer {
  private readonly server: Server;

  constructor(private readonly options: HttpStatusOptions) {
    const { idleMs = EDGE_LIMITS.httpIdleMs } = options;
    // Node looks for late requests each half minute otherwise, and never for clients that only listen.
    const bounds = { requestTimeout: idleMs, headersTimeout: idleMs };
    this.server = createServer(
      { ...bounds, connectionsCheckingInterval: idleMs },
      (request, response) => {
        this.answer(request, response).catch(() => response.destroy());
      },
    );
    this.server.timeout = idleMs;
    this.server.maxConnections = EDGE_LIMITS.httpConnections;
  }

  /** Answers the URL. Rejects with an LlmosError that names the address. */
  listen(host: string, port: number): Promise<string> {
    return new Promise((resolve, reject) => {
      this.server.once('error', (error) => {
        const reason = `the HTTP port can't listen at ${host}:${port}: ${error.message}`;
        const message = `${reason}; LLMOS_HTTP_PORT chooses another port`;
        reject(new LlmosError('UNAVAILABLE', message, { cause: error }));
      });
      this.server.listen(port, host, () => {
        const address = this.server.address();
        const bound = typeof address === 'object' && address !== null ? address.port : port;
        const name = host.includes(':') ? `[${host}]` : host;
        resolve(`http://${name}:${bound}`);
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?')[0];
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return send(response, { code: 405, type: 'text/plain', body: 'only GET\n' });
    }
    switch (path) {
      case '/livez':
        return send(response, { code: 200, type: 'text/plain', body: 'ok\n' });
      case '/readyz': {
        const readiness = this.options.readiness();
        const body = `${JSON.stringify(readiness)}\n`;
        return send(response, {
          code: readiness.isReady ? 200 : 503,
          type: 'application/json',
          body,
        });
      }
      case '/metrics': {
        const body = await this.options.metrics();
        return send(response, { code: 200, type: this.options.metricsType, body });
      }
      default:
        return send(response, { code: 404, type: 'text/plain', body: 'not found\n' });
    }
  }
}

function send(
  response: ServerResponse,
  of: { readonly code: number; readonly type: string; readonly body: string },
): void {
  response.writeHead(of.code, { 'content-type': of.type, 'cache-control': 'no-store' });
  response.end(of.body);
}

/** `/livez`, `/readyz` and `/metrics`. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ProbeServer } from '@llmos/base';
import { EDGE_LIMITS } from '../../edge-limits';

export interface HttpStatusOptions {
  /** Shown as JSON. */
  readonly readiness: () => { readonly isReady: boolean };
  readonly metrics: () => Promise<string>;
  readonly metricsType: string;
  /** Default: that of the limits. */
  readonly idleMs?: number;
}

export class HttpStatusServer {
  private readonly server: ProbeServer;

  constructor(private readonly options: HttpStatusOptions) {
    this.server = new ProbeServer({
      idleMs: options.idleMs ?? EDGE_LIMITS.httpIdleMs,
      connections: EDGE_LIMITS.httpConnections,
      answer: (request, response) => this.answer(request, response),
    });
  }

  /** Answers the URL. Rejects with an LlmosError that names the address. */
  listen(host: string, port: number): Promise<string> {
    return this.server.listen(host, port);
  }

  close(): Promise<void> {
    return this.server.close();
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

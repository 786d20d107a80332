/** Liveness, readiness and metrics for whoever operates this program. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ProbeServer } from '@llmos/base';
import { AGENT_LIMITS } from '../../limits';

export interface HealthServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Why it is not ready; undefined where it is. */
  readonly unreadiness: () => string | undefined;
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** Default: that of the limits. */
  readonly idleMs?: number;
}

export interface HealthServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Rejects with UNAVAILABLE, naming the address, where the port is taken. */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const server = new ProbeServer({
    idleMs: options.idleMs ?? AGENT_LIMITS.httpIdleMs,
    connections: AGENT_LIMITS.httpConnections,
    answer: (request, response) => answer(options, request, response),
  });
  const url = await server.listen(options.host, options.port);
  return { url, close: () => server.close() };
}

async function answer(
  options: HealthServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    send(response, 405, 'only GET\n');
    return;
  }
  switch (request.url?.split('?')[0]) {
    case '/livez':
      send(response, 200, 'ok\n');
      return;
    case '/readyz': {
      const reason = options.unreadiness();
      send(response, reason === undefined ? 200 : 503, `${reason ?? 'ok'}\n`);
      return;
    }
    case '/metrics': {
      const { contentType, text } = await options.metrics();
      send(response, 200, text, contentType);
      return;
    }
    default:
      send(response, 404, 'not found\n');
  }
}

function send(response: ServerResponse, status: number, text: string, contentType = 'text/plain') {
  response.writeHead(status, { 'Content-Type': contentType });
  response.end(text);
}

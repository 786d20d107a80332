/** Liveness, readiness and metrics for whoever operates this program. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { LlmosError } from '@llmos/base';
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
  const { idleMs = AGENT_LIMITS.httpIdleMs } = options;
  // Node looks for late requests each half minute otherwise, and never for clients that only listen.
  const bounds = { requestTimeout: idleMs, headersTimeout: idleMs };
  const server = createServer(
    { ...bounds, connectionsCheckingInterval: idleMs },
    (request, response) => {
      answer(options, request, response).catch(() => response.destroy());
    },
  );
  server.timeout = idleMs;
  server.maxConnections = AGENT_LIMITS.httpConnections;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      const reason = `the HTTP port can't listen at ${options.host}:${options.port}`;
      const message = `${reason}: ${error.message}; LLMOS_HTTP_PORT chooses another port`;
      reject(new LlmosError('UNAVAILABLE', message, { cause: error }));
    });
    server.listen(options.port, options.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return { url: `http://${host}:${port}`, close: () => closeServer(server) };
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

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** What the programs say once they are up; read like any message from outside. */
import { isRecord } from '@llmos/base';
import type { ProgramReady } from '@llmos/base';

/** The watchdog's word that its NATS server answers. */
export interface NatsReady {
  readonly kind: 'nats-ready';
  readonly version: string;
  readonly hasJetStream: boolean;
  readonly natsPid: number;
}

export function parseProgramReady(message: unknown): ProgramReady | undefined {
  if (!isRecord(message) || message['kind'] !== 'program-ready') return undefined;
  const { program, id, httpUrl, grpcUrl } = message;
  if (program !== 'kernel' && program !== 'worker') return undefined;
  if (typeof id !== 'string' || typeof httpUrl !== 'string') return undefined;
  const grpc = typeof grpcUrl === 'string' ? { grpcUrl } : {};
  return { kind: 'program-ready', program, id, httpUrl, ...grpc };
}

export function parseNatsReady(message: unknown): NatsReady | undefined {
  if (!isRecord(message) || message['kind'] !== 'nats-ready') return undefined;
  const { version, hasJetStream, natsPid } = message;
  if (typeof version !== 'string' || typeof hasJetStream !== 'boolean') return undefined;
  if (typeof natsPid !== 'number') return undefined;
  return { kind: 'nats-ready', version, hasJetStream, natsPid };
}

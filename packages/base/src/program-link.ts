/**
 * Between a program (kernel, node agent) and whoever started it, over the IPC channel: one message
 * once it is up; to each program, how much room the disk of the NATS server has, where its starter
 * knows. A program whose starter goes away (the channel closes) stops by itself.
 */
import { isRecord } from './result';

export interface ProgramReady {
  readonly kind: 'program-ready';
  readonly program: 'kernel' | 'worker';
  readonly id: string;
  readonly httpUrl: string;
  /** Kernel only. */
  readonly grpcUrl?: string;
}

const DISK_LEVELS = ['ample', 'short', 'full'] as const;
/** `short`: soon nothing more can be stored; `full`: a server may have failed to write already. */
export type DiskLevel = (typeof DISK_LEVELS)[number];

export interface DiskWord {
  readonly kind: 'disk';
  readonly level: DiskLevel;
  /** When the level changed. */
  readonly freeBytes: number;
}

/** undefined for whatever is no such word. */
export function parseDiskWord(message: unknown): DiskWord | undefined {
  if (!isRecord(message) || message['kind'] !== 'disk') return undefined;
  const { freeBytes } = message;
  const level = DISK_LEVELS.find((known) => known === message['level']);
  if (level === undefined || typeof freeBytes !== 'number') return undefined;
  return { kind: 'disk', level, freeBytes };
}

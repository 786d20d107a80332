/**
 * Between a program (kernel, node agent) and whoever started it: one message over the IPC channel
 * once it is up. A program whose starter goes away (the channel closes) stops by itself.
 */
export interface ProgramReady {
  readonly kind: 'program-ready';
  readonly program: 'kernel' | 'worker';
  readonly id: string;
  readonly httpUrl: string;
  /** Kernel only. */
  readonly grpcUrl?: string;
}

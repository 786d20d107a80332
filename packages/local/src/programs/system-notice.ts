/** Everything a system on one machine has to say while it starts, runs and stops. One union. */
import type { DiskWord } from '@llmos/base';

export type SystemNotice =
  | { readonly kind: 'progress'; readonly text: string }
  | { readonly kind: 'nats-found'; readonly path: string; readonly version: string }
  | { readonly kind: 'nats-started'; readonly url: string; readonly version: string }
  | {
      /** The streams get less than the setting or the default, or more where they have more. */
      readonly kind: 'storage-fitted';
      readonly streamBytes: number;
      readonly wantedBytes: number;
      readonly freeBytes: number;
    }
  | { readonly kind: 'port-taken'; readonly wanted: number; readonly chosen: number }
  | { readonly kind: 'program-started'; readonly name: string; readonly osPid: number }
  | {
      readonly kind: 'program-died';
      readonly name: string;
      readonly outcome: ExitOutcome;
      readonly restartMs: number;
    }
  /** It was ended on purpose and is up again; `reason` is for people. */
  | { readonly kind: 'program-renewed'; readonly name: string; readonly reason: string }
  | (DiskWord & { readonly folder: string })
  | { readonly kind: 'program-restarted'; readonly name: string; readonly osPid: number }
  | { readonly kind: 'program-killed'; readonly name: string }
  | { readonly kind: 'model-checking'; readonly name: string }
  | {
      readonly kind: 'model-storing';
      readonly name: string;
      readonly storedBytes: number;
      readonly totalBytes: number;
    }
  | {
      readonly kind: 'model-registered';
      readonly model: string;
      readonly isNew: boolean;
      readonly bytes: number;
    }
  | { readonly kind: 'model-refused'; readonly name: string; readonly message: string }
  | { readonly kind: 'stopping' };

export type ReportNotice = (notice: SystemNotice) => void;

export type ExitOutcome =
  | { readonly kind: 'code'; readonly code: number }
  | { readonly kind: 'signal'; readonly signal: string }
  | { readonly kind: 'not-started'; readonly message: string };

export function describeExit(outcome: ExitOutcome): string {
  switch (outcome.kind) {
    case 'code':
      return `ended with code ${outcome.code}`;
    case 'signal':
      return `was ended by ${outcome.signal}`;
    case 'not-started':
      return `did not start: ${outcome.message}`;
  }
}

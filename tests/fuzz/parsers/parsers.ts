/** Every parser of bytes from outside. */
import type { FuzzParser } from '../fuzz';
import { GUARD_PARSERS } from './guard-parsers';
import { KERNEL_PARSERS } from './kernel-parsers';
import { WIRE_PARSERS } from './wire-parsers';
import { WORKER_PARSERS } from './worker-parsers';

export const PARSERS: readonly FuzzParser[] = [
  ...WIRE_PARSERS,
  ...GUARD_PARSERS,
  ...KERNEL_PARSERS,
  ...WORKER_PARSERS,
];

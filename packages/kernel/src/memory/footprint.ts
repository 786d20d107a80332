/** How many bytes a process of a target is expected to need. */
import type { ModelRegistration } from '@llmos/base';
import { CORE_LIMITS } from '../limits';

/** @param registration undefined for a built-in program. */
export function footprintBytesOf(registration: ModelRegistration | undefined): number {
  if (registration === undefined) return CORE_LIMITS.programFootprintBytes;
  // A registration is foreign data: what is no number must not poison the sums of a device.
  const bytes = registration.footprintBytes;
  return Number.isFinite(bytes) && bytes > 0 ? bytes : CORE_LIMITS.programFootprintBytes;
}

/** For tests outside this package: the pure core and the words it speaks. */
export { createKernelCore } from './core';
export type { CoreOptions } from './core-options';
export type { CoreCounts, KernelCore } from './kernel-core';
export type { CancelReason, KernelDecision, ProcessAddress } from './kernel-decision';
export type {
  AttemptOutcome,
  KernelEvent,
  ProcessReport,
  ReportOrigin,
  ReportedProcess,
} from './kernel-event';
export type { DeviceCapability, NodeCapabilities } from '@llmos/base';
export type { AttemptRef, TaskSpec } from './tasks/task-spec';

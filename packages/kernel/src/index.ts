export { readKernelConfig } from './config';
export type { Environment, KernelConfig } from './config';
export type { CoreOptions } from './core-options';
export { startKernel } from './kernel';
export type { RunningKernel } from './kernel';
export type { CoreCounts, KernelCore } from './core';
export type { KernelDecision } from './kernel-decision';
export type { KernelEvent } from './kernel-event';

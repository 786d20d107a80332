/** For tests of any package: the parts of a worker without its programs. */
export * from './actors/host-protocol';
export * from './actors/thread-protocol';
export * from './adapters/jetstream/jetstream-model-store';
export * from './adapters/os/fs-package-disk';
export * from './models/model-cache';
export * from './process-host';

/** For tests outside this package: the runtime without its composition, and its adapters. */
export { createLeaderEpoch } from './adapters/jetstream/jetstream-leader-epoch';
export { createMailboxLink } from './adapters/jetstream/jetstream-mailbox-link';
export { createTaskStore } from './adapters/jetstream/jetstream-task-store';
export { attemptSpec, runSome } from './attempt-fixture';
export type { MailboxLink } from './ports/mailbox-link';
export type { PutOutcome, TaskStore } from './ports/task-store';
export { ProcessRuntime } from './process-runtime';

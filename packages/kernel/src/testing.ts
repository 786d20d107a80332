/** For tests outside this package: the pure core and the words it speaks. */
export { createKernelCore } from './core';
export type { CoreOptions } from './core-options';
export type { CoreCounts, KernelCore } from './core';
export type { KernelDecision, ProcessAddress } from './kernel-decision';
export type { Arrival, KernelEvent, ReportOrigin } from './kernel-event';
export type { DeviceCapability, NodeCapabilities } from '@llmos/base';
export type { TaskSpec } from './tasks/task-spec';

// What reads foreign bytes, for the fuzzer.
export { eventsOf } from './adapters/jetstream/report-events';
export { assertPermissions } from './adapters/jetstream/permissions';
export { parseStoreRecord } from './adapters/jetstream/store-record';
export { readProtobufBody } from './adapters/protobuf/codec';
export {
  SYSTEM_CALL_CHECKS,
  checkFunctionDefinition,
  checkModelRegistration,
  checkSpawnRequest,
} from './services/request-schemas';
// What holds tasks and counts them, for the measurement of their memory.
export { openingFor } from './intake/intake-opening';
export { budgetFor } from './memory-budget';
export { HeldMessages } from './intake/held-messages';
export { readTask } from './services/task-intake';
export type { IntakeContext } from './services/task-intake';
export { checkTaskRequest } from './services/task-request';
export { REQUEST_CODECS } from './adapters/jetstream/request-codec';
// Adapters that tests bring together with a real server.
export { BacklogReads } from './adapters/jetstream/backlog-reads';
export { JetStreamEventLog } from './adapters/jetstream/jetstream-event-log';
export { JetStreamLeadershipStore } from './adapters/jetstream/jetstream-leadership-store';
export { JetStreamPackageStore } from './adapters/jetstream/jetstream-package-store';
export { JetStreamRegistryStore } from './adapters/jetstream/jetstream-registry-store';
export { JetStreamResultStore } from './adapters/jetstream/jetstream-result-store';
export { JetStreamStreamReadings } from './adapters/jetstream/jetstream-stream-readings';
export { JetStreamTaskPublisher } from './adapters/jetstream/jetstream-task-publisher';
export { NatsCallerLink } from './adapters/jetstream/nats-caller-link';
export { NatsRequestLink } from './adapters/jetstream/nats-request-link';
export { ResultReads } from './adapters/jetstream/result-reads';
export { SkippedTasks } from './adapters/jetstream/skipped-tasks';
export { StrayTasks } from './adapters/jetstream/stray-tasks';
export type { ResultNotice } from './ports/result-store';
// The edge around the core, which the simulator runs on a server of its own.
export { TakenTasks } from './intake/taken-tasks';
export { deleteMessage } from './adapters/jetstream/message-deletion';
export { JetStreamProcessLink } from './adapters/jetstream/jetstream-process-link';
export { MessageReader } from './adapters/jetstream/message-reader';
export { SlowLane } from './adapters/jetstream/slow-lane';
export { wantedStores } from './adapters/jetstream/streams';
export { TaskRecords } from './adapters/jetstream/task-records';
export { encodeResult } from './adapters/protobuf/codec';
export { ActiveLeadership } from './leadership/active-leadership';
export type { ActiveLeadershipParts } from './leadership/active-leadership';
export type { IntakeEvent } from './kernel-event';
export { silentCounters } from './ports/kernel-counters';
export type { Principal } from './ports/principal';
export type { ForeignRequest, RequestKind, RequestKinds, RequestLink } from './ports/request-link';
export type {
  CommittedResult,
  DeadLetter,
  IntakeOpening,
  LookedUp,
  PublishedTask,
  TaskStream,
} from './ports/task-stream';
export { Registry } from './services/registry';
export { StoreLanes } from './services/store-lanes';
export type { AttemptRecord } from './tasks/task-spec';

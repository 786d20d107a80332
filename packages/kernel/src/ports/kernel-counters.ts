/** What the kernel counts and measures, for metrics; documented in docs/metrics.md. */

/** Names become `llmos_kernel_<name>_total`. */
export const COUNTERS = {
  ticks: 'Turns of the control loop',
  events: 'Events applied by the core',
  decisions: 'Decisions carried out, by kind',
  tasks_taken_in: 'Tasks taken in, by class',
  tasks_malformed: 'Messages taken in that could not be read',
  attempts_ended: 'Attempts that ended, by outcome',
  tasks_finished: 'Tasks whose result was stored, by code (OK where it is no error)',
  tasks_ended: 'Tasks acknowledged: nothing about them is left to do',
  requests: 'Requests answered, by kind',
  requests_refused: 'Requests answered with an error, by code',
  requests_unanswerable: 'Requests whose reply subject may not be answered',
  reader_messages: 'Messages to readers that attached, by kind',
  reports_malformed: 'Reports of processes that could not be read',
  reports_dropped: 'Reports dropped because the event queue was full',
  messages_skipped: 'Messages and rows of buckets left out because they could not be read',
  messages_unsent: 'Messages that could not be sent: larger than the NATS server takes',
  messages_lost_on_purpose: 'Messages dropped by the fault setting',
  announcements_dropped: 'Lifecycle events not published',
  foreign_epochs: 'Epochs that no leader had, by where: leader-record, intake-consumer, mailbox',
  processes_deaf: 'Processes replaced because they obeyed another epoch than the leader’s',
  leaderships: 'Leaderships, by began or ended',
  nats_reconnects: 'Reconnects to NATS',
  store_retries: 'Repeated requests to JetStream, by operation',
} as const;
export type CounterName = keyof typeof COUNTERS;

/** In seconds, by class. Names become `llmos_kernel_<name>_seconds`. */
export const DURATIONS = {
  queue_wait: 'From the storage of a task to its first execute',
  task_duration: 'From the storage of a task to its result',
} as const;
export type DurationName = keyof typeof DURATIONS;

export interface KernelCounters {
  /** @param label of a small, fixed set. */
  add(name: CounterName, label?: string, amount?: number): void;
  observe(name: DurationName, taskClass: string, seconds: number): void;
}

export const silentCounters: KernelCounters = { add: () => undefined, observe: () => undefined };

/** What the kernel counts, for metrics. Names become `llmos_kernel_<name>_total`. */
export const COUNTERS = {
  ticks: 'Turns of the control loop',
  events: 'Events applied by the core',
  decisions: 'Decisions carried out, by kind',
  tasks_taken_in: 'Tasks taken in, by class',
  tasks_malformed: 'Messages taken in that could not be read',
  attempts_ended: 'Attempts that ended, by outcome',
  tasks_ended: 'Tasks acknowledged: nothing about them is left to do',
  requests: 'Requests answered, by kind',
  requests_refused: 'Requests answered with an error, by code',
  requests_unanswerable: 'Requests whose reply subject may not be answered',
  reports_malformed: 'Reports of processes that could not be read',
  reports_dropped: 'Reports dropped because the event queue was full',
  messages_lost_on_purpose: 'Messages dropped by the fault setting',
  announcements_dropped: 'Lifecycle events not published',
  leaderships: 'Leaderships, by began or ended',
  store_retries: 'Repeated requests to JetStream, by operation',
} as const;
export type CounterName = keyof typeof COUNTERS;

export interface KernelCounters {
  /** @param label of a small, fixed set. */
  add(name: CounterName, label?: string, amount?: number): void;
}

export const silentCounters: KernelCounters = { add: () => undefined };

/**
 * Which metrics of Node itself a program shows, for the Prometheus library that the program loads:
 * `base` loads none, since it is part of the SDK too.
 */

/** Gauges of the library whose names say that they were counters. */
const MISNAMED = ['handles', 'requests', 'resources'].map((what) => `nodejs_active_${what}_total`);

/** Percentiles of a monitor that wakes an idle program 100 times a second. */
const UNMONITORED = ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'].map(
  (what) => `nodejs_eventloop_lag_${what}_seconds`,
);

/** Of the library's default metrics, those to remove. */
export const UNWANTED_METRICS: readonly string[] = [...MISNAMED, ...UNMONITORED];

/** The library can't do without its monitor, only let it sleep. */
export const LOOP_MONITOR_MS = 2 ** 31 - 1;

/** A counter in place of the monitor: counted by the loop itself, at no cost. */
export const LOOP_SECONDS = {
  name: 'nodejs_eventloop_active_seconds_total',
  help: 'Seconds in which the event loop was at work',
  collect(this: { reset(): void; inc(amount: number): void }): void {
    this.reset();
    this.inc(performance.eventLoopUtilization().active / 1000);
  },
};

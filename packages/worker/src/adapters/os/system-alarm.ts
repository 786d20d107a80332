/** The operating system's timers. */
import type { Alarm } from '../../ports/alarm';

export const systemAlarm: Alarm = {
  after(delayMs, ring) {
    const timer = setTimeout(ring, delayMs);
    return () => clearTimeout(timer);
  },
};

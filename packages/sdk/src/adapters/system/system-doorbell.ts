/** Doorbells on the timers of the program. */
import type { Doorbell } from '../../ports/doorbell';
import { onAbort } from './abort-listener';

export function createSystemDoorbell(): Doorbell {
  let isRung = false;
  let wake: (() => void) | undefined;
  return {
    ring: () => {
      isRung = true;
      wake?.();
    },
    wait: (waitMs, ...signals) => {
      if (isRung || signals.some((signal) => signal?.aborted === true)) {
        isRung = false;
        return Promise.resolve();
      }
      return new Promise((resolve) => {
        const finish = (): void => {
          clearTimeout(timer);
          for (const stop of stops) stop();
          wake = undefined;
          isRung = false;
          resolve();
        };
        const timer = setTimeout(finish, Math.max(0, waitMs));
        const stops = signals.map((signal) => onAbort(signal, finish));
        wake = finish;
      });
    },
  };
}

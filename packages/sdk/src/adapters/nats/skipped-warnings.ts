/** Tells whoever runs a client of messages that it left out, as a warning of the process. */
import type { OnSkipped } from '@llmos/base';
import { SkippedMessages, silentLogger, systemClock } from '@llmos/base';

export function warnOfSkipped(): OnSkipped {
  const log = {
    ...silentLogger,
    warn: (event: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      const text = `left out what can’t be read: ${JSON.stringify(fields)}`;
      process.emitWarning(text, { type: 'LlmosWarning', code: event });
    },
  };
  return new SkippedMessages({ log, clock: systemClock }).note;
}

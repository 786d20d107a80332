/** The logger of every program: one JSON object a line, on stderr. */
import { destination, pino } from 'pino';
import type { Logger as PinoLogger } from 'pino';
import type { LogFields, Logger } from '../../logger';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LoggerOptions {
  readonly program: string;
  readonly level: LogLevel;
}

/** Lines that could not be written are tried again with the next one; beyond this they are lost. */
const WAITING_BYTES = 1024 * 1024;

export function createLogger(options: LoggerOptions): Logger {
  const sink = destination({ dest: 2, sync: true, maxLength: WAITING_BYTES });
  // A log that can't be written, say to a full disk, costs its lines, never the program.
  sink.on('error', () => undefined);
  if (process.stderr.listenerCount('error') === 0) process.stderr.on('error', () => undefined);
  const root = pino(
    {
      level: options.level,
      base: { program: options.program, osPid: process.pid },
      messageKey: 'event',
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: serializeError },
    },
    sink,
  );
  return wrap(root);
}

function wrap(logger: PinoLogger): Logger {
  return {
    debug: (event, fields = {}) => logger.debug(fields, event),
    info: (event, fields = {}) => logger.info(fields, event),
    warn: (event, fields = {}) => logger.warn(fields, event),
    error: (event, fields = {}) => logger.error(fields, event),
    with: (fields: LogFields) => wrap(logger.child(fields)),
  };
}

function serializeError(value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  const cause = value.cause === undefined ? {} : { cause: serializeError(value.cause) };
  return { name: value.name, message: value.message, stack: value.stack, ...cause };
}

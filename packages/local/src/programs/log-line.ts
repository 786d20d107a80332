/** A line of a program's log for people. */
import { isRecord } from '@llmos/base';

/** A structured line as `level event field=value …`, any other as it is. */
export function formatLogLine(line: string): string {
  const fields = parseLogLine(line);
  if (fields === undefined) return line;
  const { level, event, time: _time, program: _program, osPid: _osPid, ...rest } = fields;
  const shown = Object.entries(rest).map(([name, field]) => `${name}=${show(field)}`);
  return [String(level), String(event), ...shown].join(' ');
}

/** What a worker puts before the lines of its process hosts; they name the process themselves. */
const HOST_PREFIX = /^\[[\w-]+\] (?=\{)/;

/** undefined where the line is not a structured one. */
export function parseLogLine(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line.replace(HOST_PREFIX, ''));
    return isRecord(value) && typeof value['event'] === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

function show(field: unknown): string {
  if (isRecord(field) && typeof field['message'] === 'string') return field['message'];
  return typeof field === 'string' ? field : JSON.stringify(field);
}

/** Runs one command line to its exit code. Expected errors are one line, never a stack trace. */
import { CommanderError } from 'commander';
import { LlmosError, errorBody, failure, toErrorBody } from '@llmos/base';
import type { ErrorBody } from '@llmos/base';
import type { CommandHost } from './command-host';
import { terminalOf } from './command-host';
import { safeText } from './output/table';
import { formatMs } from './output/units';
import { createProgram } from './program';
import { EXIT_CODES, OutputClosed, ReportedFailure, UsageError } from './usage-error';

/** @param args without the program's own name. */
export async function runCli(args: readonly string[], host: CommandHost): Promise<number> {
  const isJson = args.includes('--json');
  // commander writes its complaints by itself; with --json they go into the one value.
  const shown = isJson ? { ...host, err: { write: () => true } } : host;
  try {
    await createProgram(shown).parseAsync(commandFirst(args), { from: 'user' });
    return EXIT_CODES.ok;
  } catch (error) {
    return reportFailure(error, { host, isJson });
  }
}

/** Options may also stand before the command they belong to: `llmos --json ps`. */
function commandFirst(args: readonly string[]): string[] {
  let end = 0;
  while (args[end] === '--json' || VALUE_OPTIONS.some((name) => isOption(args[end], name))) {
    end += VALUE_OPTIONS.includes(args[end] ?? '') ? 2 : 1;
  }
  const [leading, rest] = [args.slice(0, end), args.slice(end)];
  const dashes = rest.indexOf('--');
  const at = dashes < 0 ? rest.length : dashes;
  return [...rest.slice(0, at), ...leading, ...rest.slice(at)];
}

const VALUE_OPTIONS: readonly string[] = ['--nats', '--data', '--tenant'];

function isOption(text: string | undefined, name: string): boolean {
  return text === name || text?.startsWith(`${name}=`) === true;
}

function reportFailure(
  error: unknown,
  of: { readonly host: CommandHost; readonly isJson: boolean },
): number {
  const terminal = terminalOf(of.host, { json: of.isJson });
  const { signal } = of.host;
  // `llmos events -f | head -1` has what it wanted.
  if (signal.reason instanceof OutputClosed) return EXIT_CODES.ok;
  if (error instanceof ReportedFailure) return EXIT_CODES.failed;
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT_CODES.ok;
    const message = error.message.replace(/^error: /, '');
    if (of.isJson) terminal.json(failure(errorBody('INVALID_ARGUMENT', message)));
    return EXIT_CODES.usage;
  }
  const body = bodyOf(error, signal);
  if (of.isJson) terminal.json(failure(body));
  else terminal.error(describeError(body, terminal.style.red('error:')));
  if (error instanceof UsageError) return EXIT_CODES.usage;
  if (!(error instanceof LlmosError) && of.host.env['LLMOS_LOG_LEVEL'] === 'debug') {
    terminal.error(error instanceof Error ? (error.stack ?? '') : '');
  }
  return signal.aborted ? EXIT_CODES.interrupted : EXIT_CODES.failed;
}

/** What was given up because the user said so is not described by what it was. */
export function bodyOf(error: unknown, signal: AbortSignal): ErrorBody {
  const body = toErrorBody(error);
  const isInterrupted = signal.aborted && body.code === 'CANCELLED';
  return isInterrupted ? errorBody('CANCELLED', 'interrupted') : body;
}

export function describeError(body: ErrorBody, label: string): string {
  const retryAfterMs = body.details?.['retryAfterMs'];
  const hint = typeof retryAfterMs === 'number' ? `; try again in ${formatMs(retryAfterMs)}` : '';
  return `${label} ${safeText(body.message)}${hint} (${body.code})`;
}

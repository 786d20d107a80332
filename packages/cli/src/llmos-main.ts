/** The program behind `llmos`. */
import { runCli } from './run-cli';
import { createTerminalHost } from './terminal-host';

void runCli(process.argv.slice(2), createTerminalHost()).then((exitCode) => {
  process.exitCode = exitCode;
});

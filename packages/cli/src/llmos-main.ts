/** The program behind `llmos`. */
import { runCli } from './run-cli';
import { runOnTerminal } from './terminal-host';

void runOnTerminal((host) => runCli(process.argv.slice(2), host));

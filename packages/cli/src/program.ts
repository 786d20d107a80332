/** The command tree of `llmos`. */
import { Command } from 'commander';
import type { CommandHost } from './command-host';
import { withExamples } from './command-host';
import { registerAttach } from './commands/attach';
import { registerBackup } from './commands/backup';
import { registerBench } from './commands/bench';
import { registerCompletion } from './commands/completion';
import { registerDead } from './commands/dead';
import { registerDoctor } from './commands/doctor';
import { registerEvents } from './commands/events';
import { registerLogs } from './commands/logs';
import { registerModel } from './commands/model';
import { registerInfo, registerLimits, registerProcesses } from './commands/processes';
import { registerResults } from './commands/results';
import { registerRun } from './commands/run';
import { registerStatus } from './commands/status';
import { registerTasks } from './commands/tasks';
import { registerUp } from './commands/up';
import { applySettings } from './settings/apply-settings';
import { versionText } from './version';

export function createProgram(host: CommandHost): Command {
  const program = new Command('llmos')
    .description('An operating system for models: durable, prioritised serving of ONNX models.')
    .version(versionText(), '--version')
    .showHelpAfterError('(--help says more)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void host.out.write(text),
      writeErr: (text) => void host.err.write(text),
    });
  program.hook('preAction', (_, command) =>
    applySettings(command, { env: host.env, folder: host.folder ?? process.cwd() }),
  );
  registerUp(program, host);
  registerRun(program, host);
  registerTasks(program, host);
  registerStatus(program, host);
  registerAttach(program, host);
  registerDead(program, host);
  registerResults(program, host);
  registerProcesses(program, host);
  registerModel(program, host);
  registerInfo(program, host);
  registerLimits(program, host);
  registerEvents(program, host);
  registerLogs(program, host);
  registerBench(program, host);
  registerDoctor(program, host);
  registerBackup(program, host);
  registerCompletion(program, host);
  return withExamples(program, [
    'llmos up',
    'llmos run classify "Where is my card?" --model support-intents',
    'llmos run generate "Once upon a time" --model storyteller --stream',
    'llmos status',
    'llmos ps',
  ]);
}

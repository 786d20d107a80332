/** The command tree of `llmos`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { isRecord } from '@llmos/base';
import type { CommandHost } from './command-host';
import { withExamples } from './command-host';
import { registerModel } from './commands/model';
import { registerInfo, registerProcesses } from './commands/processes';
import { registerRun } from './commands/run';
import { registerTasks } from './commands/tasks';
import { registerUp } from './commands/up';

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
  registerUp(program, host);
  registerRun(program, host);
  registerTasks(program, host);
  registerProcesses(program, host);
  registerModel(program, host);
  registerInfo(program, host);
  return withExamples(program, [
    'llmos up',
    'llmos run classify "Where is my card?" --model support-intents',
    'llmos run generate "Once upon a time" --model storyteller --stream',
    'llmos ps',
  ]);
}

export function versionText(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(__dirname, '..', 'package.json'), 'utf8'));
  return isRecord(manifest) ? String(manifest['version']) : 'unknown';
}

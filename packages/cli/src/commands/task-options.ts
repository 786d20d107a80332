/** The options of every command that makes a task, as the SDK takes them. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { BUILT_IN_FUNCTIONS, TASK_CLASSES, builtInTraits } from '@llmos/base';
import type { TaskClass } from '@llmos/base';
import type { TaskOptions } from '@llmos/sdk';
import type { CommonOptions } from '../connection';
import { integer } from '../option-values';
import { UsageError } from '../usage-error';

export interface TaskCommandOptions extends CommonOptions {
  readonly model?: string;
  readonly class?: TaskClass;
  readonly priority?: number;
  readonly timeoutMs?: number;
  readonly key?: string;
  readonly id?: string;
  readonly maxAttempts?: number;
}

export function withTaskOptions(command: Command): Command {
  return command
    .option('--model <model>', 'NAME or NAME@VERSION; sets "model" of the input')
    .addOption(new Option('--class <class>', 'how urgent it is').choices(TASK_CLASSES))
    .option('--priority <0-9>', 'within its class, 9 first', integer(0, 9))
    .option('--timeout-ms <ms>', 'give up after this time', integer(1, 43_200_000))
    .option('--key <key>', 'tasks of one key run one at a time and in order')
    .option('--id <id>', 'task id; the same id again is the same task')
    .option('--max-attempts <n>', 'tries before it ends as a dead letter', integer(1, 100));
}

export function taskOptionsOf(options: TaskCommandOptions): TaskOptions {
  const { class: taskClass, priority, timeoutMs, key, id, maxAttempts } = options;
  return {
    ...(taskClass === undefined ? {} : { class: taskClass }),
    ...(priority === undefined ? {} : { priority }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(key === undefined ? {} : { key }),
    ...(id === undefined ? {} : { id }),
    ...(maxAttempts === undefined ? {} : { maxAttempts }),
  };
}

/** Refuses `--stream` for a function whose output can't be read while it is made. */
export function assertStreams(name: string): void {
  if (builtInTraits(name).streams) return;
  const known = BUILT_IN_FUNCTIONS.filter(({ traits }) => traits.streams);
  const names = known.map((definition) => definition.name).join(' and ');
  throw new UsageError(`--stream is for ${names}, not for ${name}`);
}

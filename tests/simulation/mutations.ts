/**
 * Whether the simulator would notice: each mutation is one fault in a copy of the real process
 * runtime, kernel or store path, and seeds are run against the copy until one fails.
 *
 *   node tests/dist/simulation/mutations.js              every one, up to 500 seeds each
 *   node tests/dist/simulation/mutations.js --seeds 50
 *   node tests/dist/simulation/mutations.js --only chunk    those with it in their name
 *
 * Exits with 1 where one of them is not found, or no longer fits the code.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

interface Mutation {
  /** What is wrong then. */
  readonly name: string;
  readonly package: 'kernel' | 'process';
  /** Below `dist`. */
  readonly file: string;
  /** Occurs exactly once in the compiled file. */
  readonly find: string;
  readonly replace: string;
}

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'a process believes every epoch',
    package: 'process',
    file: 'epoch-guard.js',
    find: "return epoch === this.known ? 'current' : 'unknown';",
    replace: "return 'current';",
  },
  {
    name: 'a process commits without an expected sequence',
    package: 'process',
    file: 'adapters/jetstream/jetstream-task-store.js',
    find: 'after: how.after,',
    replace: 'after: undefined,',
  },
  {
    name: 'a chunk is appended without its predecessor',
    package: 'process',
    file: 'adapters/jetstream/jetstream-task-store.js',
    find: '            after,\n',
    replace: '            after: undefined,\n',
  },
  {
    name: 'an end is told once only',
    package: 'process',
    file: 'finished-table.js',
    find: 'entry.nextSendAtMs = nowMs + (0, base_1.backoffMs)(this.options.resend, entry.sends);',
    replace: 'entry.nextSendAtMs = Infinity;',
  },
  {
    name: 'an attempt is told as committed before its result is stored',
    package: 'process',
    file: 'run-attempt.js',
    find: 'const outcome = await (0, commit_1.commitResult)({',
    replace:
      "const outcome = { kind: 'committed', ok: true };\n        void (0, commit_1.commitResult)({",
  },
  {
    name: 'an attempt that ended runs again for the same leader',
    package: 'process',
    file: 'finished-table.js',
    find: 'if (closed.epoch !== epoch)',
    replace: 'if (closed !== undefined)',
  },
  {
    name: 'a stored result is overlooked where a commit was refused',
    package: 'process',
    file: 'commit.js',
    find: "if (found.kind === 'found' && refusal === undefined)",
    replace: 'if (false)',
  },
  {
    name: 'tokens that are stored already are sent once more',
    package: 'process',
    file: 'chunk-chain.js',
    find: '    const end = piece.index + piece.tokens.length;',
    replace: "    return 'new';\n    const end = 0;",
  },
  {
    name: 'the kernel commits its own results without an expected sequence',
    package: 'kernel',
    file: 'adapters/jetstream/result-commits.js',
    find: 'const expect = { lastSubjectSequence: after };',
    replace: 'const expect = {};',
  },
  {
    name: 'the kernel goes on before its own result is stored',
    package: 'kernel',
    file: 'carry-out.js',
    find: 'const other = await taskStream.commitResult(decision);',
    replace: 'const other = void taskStream.commitResult(decision);',
  },
  {
    name: 'the result of another task of its id ends a task',
    package: 'kernel',
    file: 'adapters/jetstream/result-commits.js',
    find: 'return (0, base_1.isOther)(own, stored.identity) ? stored.identity : undefined;',
    replace: 'return undefined;',
  },
  {
    name: 'a new leader overlooks the results that are there',
    package: 'kernel',
    file: 'adapters/jetstream/task-records.js',
    find: 'const isCommitted = await this.commits.isEnd(spec, found);',
    replace: 'const isCommitted = false;',
  },
  {
    name: 'a request to the stores is not repeated',
    package: 'kernel',
    file: 'services/store-lanes.js',
    find: '                // Before its place is free',
    replace: '                throw error;\n                // Before its place is free',
  },
  {
    name: 'a new task stands in no line of its key',
    package: 'kernel',
    file: 'tasks/admission.js',
    find: '        state.chains.add(task);',
    replace: '        ;',
  },
  {
    name: 'the later one of two tasks with the same id keeps it',
    package: 'kernel',
    file: 'tasks/admission.js',
    find: 'if (spec.sequence < live.spec.sequence && isWaiting(live)) {',
    replace: 'if (spec.sequence > live.spec.sequence && isWaiting(live)) {',
  },
];

const REPOSITORY = join(__dirname, '..', '..', '..');
const COPIES = join(REPOSITORY, 'tests', 'dist', 'mutants');
/** Enough for one that shows in one seed of a hundred. */
const DEFAULT_SEEDS = 500;
const SHOWN_CHARS = 100;

/** A simulator whose kernel or process is the mutated one; the other packages are the real ones. */
function makeMutant(mutation: Mutation, folder: string): string {
  rmSync(folder, { recursive: true, force: true });
  const target = join(folder, 'node_modules', '@llmos', mutation.package);
  const source = join(REPOSITORY, 'packages', mutation.package);
  mkdirSync(target, { recursive: true });
  cpSync(join(source, 'package.json'), join(target, 'package.json'));
  cpSync(join(source, 'dist'), join(target, 'dist'), { recursive: true });
  cpSync(__dirname, join(folder, 'simulation'), { recursive: true });
  const path = join(target, 'dist', mutation.file);
  const text = readFileSync(path, 'utf8');
  const parts = text.split(mutation.find);
  if (parts.length !== 2) {
    throw new Error(`${mutation.name}: its text is ${parts.length - 1} times in ${mutation.file}`);
  }
  writeFileSync(path, parts.join(mutation.replace));
  return join(folder, 'simulation', 'run.js');
}

/** What the simulator said; undefined where no seed failed. */
function tryMutation(mutation: Mutation, seeds: number): string | undefined {
  const folder = join(COPIES, 'current');
  const program = makeMutant(mutation, folder);
  const args = ['--unhandled-rejections=strict', program, '--seeds', String(seeds)];
  const run = spawnSync(process.execPath, args, { encoding: 'utf8' });
  rmSync(COPIES, { recursive: true, force: true });
  if (run.status === 0) return undefined;
  const [first = '', second = ''] = run.stdout.split('\n');
  const said = run.stdout === '' ? run.stderr : `${first.split(':')[0] ?? ''}: ${second.trim()}`;
  return said.slice(0, SHOWN_CHARS);
}

interface Options {
  readonly seeds: number;
  /** Of the names of mutations; '' is in each. */
  readonly only: string;
}

function readOptions(args: readonly string[]): Options | undefined {
  let options: Options = { seeds: DEFAULT_SEEDS, only: '' };
  for (let index = 0; index < args.length; index += 2) {
    const value = args[index + 1] ?? '';
    if (args[index] === '--only') options = { ...options, only: value };
    else if (args[index] === '--seeds' && /^\d{1,6}$/.test(value)) {
      options = { ...options, seeds: Number(value) };
    } else return undefined;
  }
  return options;
}

function main(): number {
  const options = readOptions(process.argv.slice(2));
  if (options === undefined) {
    console.error('usage: mutations.js [--seeds N] [--only TEXT]');
    return 2;
  }
  const wanted = MUTATIONS.filter(({ name }) => name.includes(options.only));
  let unfound = 0;
  for (const mutation of wanted) {
    const said = tryMutation(mutation, options.seeds);
    if (said === undefined) unfound += 1;
    console.log(`${said === undefined ? 'NOT FOUND' : 'found'}  ${mutation.name}`);
    if (said !== undefined) console.log(`           ${said}`);
  }
  console.log(`${wanted.length - unfound} of ${wanted.length} mutations were found`);
  return unfound === 0 ? 0 : 1;
}

if (require.main === module) process.exitCode = main();

/** What `llmos doctor` looks at on this machine. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { toErrorBody } from '@llmos/base';
import {
  DEFAULT_NATS_PORT,
  findNatsServer,
  formatNatsVersion,
  isPortFree,
  probeNats,
} from '@llmos/local';
import type { Environment } from '../connection';
import { CLI_LIMITS } from '../limits';
import type { Check } from './check';
import { ok, problem, skipped, warning } from './check';
import { checkDisk, checkNode } from './verdicts';

export interface MachineLook {
  readonly env: Environment;
  readonly stateFolder: string;
  /** A system is there to talk to, so none has to be started here. */
  readonly hasSystem: boolean;
}

export async function checkMachine(look: MachineLook): Promise<Check[]> {
  return [
    checkNode(process.version),
    await checkNpm(),
    await lookAtDisk(look.stateFolder),
    await lookForNatsServer(look),
    await lookAtPort(look),
  ];
}

function checkNpm(): Promise<Check> {
  return new Promise((resolve) => {
    execFile('npm', ['--version'], { timeout: CLI_LIMITS.npmMs }, (error, output) => {
      if (error === null) return resolve(ok('npm', output.trim()));
      const advice = 'install npm to build llmos from its sources; a built one runs without';
      resolve(warning('npm', 'not found', advice));
    });
  });
}

async function lookAtDisk(folder: string): Promise<Check> {
  let existing = folder;
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  try {
    const { bavail, bsize } = await statfs(existing);
    return checkDisk(existing, bavail * bsize);
  } catch (error) {
    return skipped('disk', toErrorBody(error).message);
  }
}

async function lookForNatsServer(look: MachineLook): Promise<Check> {
  const name = 'nats-server';
  try {
    const found = await findNatsServer({ env: look.env, mayInstall: false });
    return ok(name, `version ${formatNatsVersion(found.version)} (${found.path})`);
  } catch (error) {
    const [found = '', ...advice] = toErrorBody(error).message.split('\n');
    if (look.hasSystem) return skipped(name, `${found}; none is needed here`);
    if (existsSync('/usr/bin/apt-get')) {
      return warning(name, found, '`llmos up` installs the one of this distribution');
    }
    return problem(name, found, advice.map((line) => line.trim()).join('; '));
  }
}

async function lookAtPort(look: MachineLook): Promise<Check> {
  const port = DEFAULT_NATS_PORT;
  const name = `port ${port}`;
  if (look.hasSystem) return skipped(name, 'a system is there already');
  if (await isPortFree(port)) return ok(name, 'free');
  const greeting = await probeNats({ host: '127.0.0.1', port });
  if (greeting === undefined) {
    return warning(name, 'taken by another program', '`llmos up` takes a free port instead');
  }
  const advice = `\`llmos up\` takes a free port; to use that server: --nats nats://127.0.0.1:${port}`;
  return warning(name, `a NATS server ${greeting.version} answers`, advice);
}

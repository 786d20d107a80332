/** What `llmos doctor` looks at on this machine. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { toErrorBody } from '@llmos/base';
import {
  DEFAULT_NATS_PORT,
  findNatsServer,
  formatNatsVersion,
  freeBytesOf,
  isPortFree,
  natsStoreFolder,
  probeNats,
  readStoragePlan,
  readStoreFiles,
} from '@llmos/local';
import type { Environment } from '../connection';
import { CLI_LIMITS } from '../limits';
import type { Check } from './check';
import { ok, problem, skipped, warning } from './check';
import type { LocalStore } from './storage-verdicts';
import { checkDisk } from './storage-verdicts';
import { checkNode } from './verdicts';

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
    lookAtDisk(look.stateFolder),
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

function lookAtDisk(folder: string): Check {
  try {
    return checkDisk({ folder, freeBytes: freeBytesOf(folder) }, storeIn(folder));
  } catch (error) {
    const { message } = toErrorBody(error);
    return problem('disk', message, 'see *Stop and start* in docs/operations.md');
  }
}

/** undefined where no system was begun that has a server of its own. */
function storeIn(folder: string): LocalStore | undefined {
  const plan = readStoragePlan(folder);
  if (plan === undefined) return undefined;
  const { streamUsedBytes } = readStoreFiles(natsStoreFolder(folder));
  return { streamBytes: plan.streamBytes, streamUsedBytes };
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

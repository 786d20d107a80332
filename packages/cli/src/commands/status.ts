/** `status`: the whole system on one screen, or where one task stands. */
import type { Command } from 'commander';
import type { TaskStatus, TaskWait } from '@llmos/base';
import type { TaskHandleStatus } from '@llmos/sdk';
import type { CommandHost, SystemUse } from '../command-host';
import { SYSTEM_CALL, systemCommand, useSystem, withExamples } from '../command-host';
import type { CommonOptions } from '../connection';
import { describeBlock } from '../output/blocked-models';
import { findTroubles, formatOverview } from '../output/system-overview';
import { safeText } from '../output/table';
import { formatMs } from '../output/units';

export function registerStatus(program: Command, host: CommandHost): void {
  withExamples(
    systemCommand(program, 'status [task]')
      .description('show the whole system on one screen, or say where a task stands')
      .action((id: string | undefined, options: CommonOptions) =>
        useSystem(host, options, (use) =>
          id === undefined ? showSystem(use) : showTask(use, id, host.signal),
        ),
      ),
    ['llmos status', 'llmos status "$(llmos submit echo 1)"'],
  );
}

async function showSystem({ client, terminal }: SystemUse): Promise<void> {
  const [info, nodes, processes] = await Promise.all([
    client.info(SYSTEM_CALL),
    client.nodes(SYSTEM_CALL),
    client.ps(SYSTEM_CALL),
  ]);
  const overview = { info, nodes, processes };
  if (terminal.isJson) terminal.json({ ...overview, troubles: findTroubles(overview) });
  else terminal.line(formatOverview(overview, terminal.style));
}

async function showTask(use: SystemUse, id: string, signal: AbortSignal): Promise<void> {
  const status = await use.client.task(id).status({ signal });
  if (use.terminal.isJson) use.terminal.json({ task: id, ...status });
  else use.terminal.line(describeStatus(status));
}

const WAITS: Readonly<Record<TaskWait, string>> = {
  models: 'until the kernel knows the models',
  'look-up': 'until the kernel knows whether it has ended before',
  nodes: 'until the nodes have said what they run',
  key: 'for an earlier task of its key',
  process: 'for a process',
  turn: 'for its turn',
  retry: 'for its next attempt',
};

function describeWait(status: Exclude<TaskStatus, { state: 'unknown' }>): string {
  const { waitsFor, blocked, ahead, estimateMs } = status;
  if (waitsFor === undefined) return '';
  const line =
    ahead === undefined ? '' : `; ${ahead.own} of its tenant and ${ahead.others} go first`;
  const about = estimateMs === undefined ? '' : `; its turn comes in about ${formatMs(estimateMs)}`;
  const why = blocked === undefined ? '' : `: the model ${describeBlock(blocked)}`;
  const reason = blocked === undefined ? '' : `\n${safeText(blocked.message)}`;
  return `, waits ${WAITS[waitsFor] ?? waitsFor}${why}${line}${about}${reason}`;
}

export function describeStatus(status: TaskHandleStatus): string {
  switch (status.state) {
    case 'unknown':
      return 'unknown';
    case 'finished':
      return status.ok ? 'finished' : `finished with ${status.error.code}: ${status.error.message}`;
    default: {
      const attempts = status.attempts > 1 ? `, attempt ${status.attempts}` : '';
      const where = status.pid === undefined ? '' : ` on ${status.pid}`;
      const what = `${status.state}${where} (${status.class} ${status.function}${attempts})`;
      return `${what}${describeWait(status)}`;
    }
  }
}

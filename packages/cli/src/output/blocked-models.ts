/** Why models get no process now, and when they are tried again. */
import type { Block, BlockedModel, NodeRow } from '@llmos/base';
import type { Style } from './style';
import { formatTable } from './table';
import { formatMs } from './units';

const CAUSES: Readonly<Record<Block['because'], string>> = {
  failing: 'does not load now',
  failed: 'can not be loaded',
  memory: 'waits for memory',
  'no-nodes': 'waits for a node',
  'too-large': 'is too large for every node',
  processes: 'waits for a process to end',
};

/** Such as `does not load now, next try in 4 s`. */
export function describeBlock({ because, retryInMs }: Block): string {
  const again = retryInMs === undefined ? '' : `, next try in ${formatMs(retryInMs)}`;
  // A newer kernel may know more reasons.
  return `${CAUSES[because] ?? because}${again}`;
}

/** Empty where nothing is blocked. */
export function formatBlocked(blocked: readonly BlockedModel[], style: Style): string {
  if (blocked.length === 0) return '';
  return formatTable<BlockedModel>(
    [
      { title: 'BLOCKED', cell: (row) => style.bold(row.model) },
      { title: 'QUEUED', align: 'right', cell: (row) => String(row.queued) },
      { title: 'STATE', cell: (row) => style.yellow(describeBlock(row)) },
      { title: '', cell: (row) => row.message },
    ],
    blocked,
    style,
  );
}

/** What failed on which node; empty where nothing did. */
export function formatFaults(nodes: readonly NodeRow[], style: Style): string {
  const faults = nodes.flatMap(({ node, faults: of = [] }) =>
    of.map((each) => ({ node, ...each })),
  );
  if (faults.length === 0) return '';
  return formatTable<(typeof faults)[number]>(
    [
      { title: 'NODE', cell: (row) => style.bold(row.node) },
      { title: 'FAILED', cell: (row) => row.model },
      { title: 'TIMES', align: 'right', cell: (row) => String(row.failures) },
      { title: 'NEXT TRY', cell: (row) => `in ${formatMs(row.retryInMs)}` },
      { title: '', cell: (row) => row.message },
    ],
    faults,
    style,
  );
}

import type { NodeRow, ProcessRow, StreamLoad, SystemInfo } from '@llmos/sdk';
import { createStyle } from './style';
import type { SystemOverview } from './system-overview';
import { findTroubles, formatOverview } from './system-overview';

const STREAM: StreamLoad = { stream: 'LLMOS_TASKS', messages: 3, bytes: 10, maxBytes: 100 };
const INFO: SystemInfo = {
  kernel: 'k1',
  epoch: 7,
  version: '0.1.0',
  httpUrl: 'http://127.0.0.1:1',
  queued: { interactive: 0, standard: 0, batch: 0 },
  running: 0,
  tasks: 0,
  waitingCalls: 0,
  isRecovering: false,
  streams: [STREAM],
  intake: [{ class: 'batch', pending: 5, ackPending: 2 }],
};
const NODE: NodeRow = {
  node: 'node-1',
  state: 'alive',
  cores: 2,
  memoryBytes: 1024 ** 3,
  devices: [],
  providers: ['cpu'],
  versions: {},
  labels: {},
  leaseMs: 5_000,
  processes: 1,
};
const PROCESS: ProcessRow = {
  pid: 'p1-1',
  model: 'echo',
  node: 'node-1',
  state: 'ready',
  incarnation: 1,
  device: 'cpu',
  running: 0,
  permits: 64,
  queued: 0,
  footprintBytes: 1,
};

function overview(
  of: {
    readonly info?: Partial<SystemInfo>;
    readonly nodes?: readonly NodeRow[];
    readonly process?: Partial<ProcessRow>;
  } = {},
): SystemOverview {
  const processes = [{ ...PROCESS, ...of.process }];
  return { info: { ...INFO, ...of.info }, nodes: of.nodes ?? [NODE], processes };
}

it('finds nothing wrong with a system that works', () => {
  expect(findTroubles(overview())).toEqual([]);
  const text = formatOverview(overview(), createStyle({ isTerminal: false, env: {} }));
  for (const part of ['k1', 'epoch 7', 'node-1', 'p1-1', 'LLMOS_TASKS', '5 not taken in']) {
    expect(text).toContain(part);
  }
  expect(text).toContain('nothing is wrong');
});

const waiting = { interactive: 0, standard: 2, batch: 0 };
it.each<[string, SystemOverview, string]>([
  ['no nodes', overview({ nodes: [] }), 'no node is alive'],
  ['a silent node', overview({ nodes: [NODE, { ...NODE, state: 'lost' }] }), 'node-1 is lost'],
  ['a process that dies', overview({ process: { state: 'backing-off' } }), 'does not stay up'],
  ['a queue that stands', overview({ info: { queued: waiting } }), '2 tasks wait and nothing runs'],
  ['a new leader', overview({ info: { isRecovering: true } }), 'the leader is new'],
  ['no answer of JetStream', overview({ info: { streams: [] } }), 'JetStream did not say'],
  [
    'a stream that fills',
    overview({ info: { streams: [{ ...STREAM, bytes: 81 }] } }),
    'LLMOS_TASKS is 81 % full',
  ],
  [
    'dead letters',
    overview({ info: { streams: [{ ...STREAM, stream: 'LLMOS_DEAD', messages: 1 }] } }),
    '1 dead letter',
  ],
])('names %s as what is wrong', (_name, of, what) => {
  expect(findTroubles(of).map((trouble) => trouble.what)).toEqual([
    expect.stringContaining(what) as string,
  ]);
});

it('says which models are blocked, and what a node can not load though others do', () => {
  const fault = { failures: 1, isPermanent: true, message: 'no such operator', retryInMs: 9 };
  const blocked = { because: 'failed', message: 'node-1: no such operator', queued: 3 } as const;
  const nodes = [
    {
      ...NODE,
      faults: [
        { model: 'mini@1', ...fault },
        { model: 'other@1', ...fault },
      ],
    },
  ];
  const troubles = findTroubles(
    overview({ info: { blocked: [{ model: 'mini@1', ...blocked }] }, nodes }),
  );
  expect(troubles).toEqual([
    { what: 'mini@1 can not be loaded; 3 tasks wait', hint: 'node-1: no such operator' },
    { what: "other@1 can't be loaded on node-1", hint: 'no such operator' },
  ]);
});

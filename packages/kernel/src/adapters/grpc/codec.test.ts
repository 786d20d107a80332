import type { node as wire } from '@llmos/proto';
import { InvalidNodeMessage, readContexts, readProcessChange, readRegistration } from './codec';

const spec = { target: 'echo', registrationJson: '', device: 'cpu', reservedBytes: 5 };
const ready: wire.ProcessChange = {
  process: 'p1-1',
  incarnation: 1,
  spec,
  state: {
    $case: 'ready',
    value: { osPid: 7, permits: 4, footprintBytes: 9, device: 'cpu' },
  },
};
const register: wire.Register = {
  node: 'n1',
  session: 's1',
  cores: 2,
  memoryBytes: 1_000,
  devices: [{ id: 'cpu', provider: 'cpu', name: 'CPU', capacityBytes: 1_000 }],
  providers: ['cpu'],
  versions: { onnxruntime: '1.30.0' },
  labels: { zone: 'a' },
  processes: [ready],
};

it('reads a registration with the processes that survived', () => {
  expect(readRegistration(register)).toMatchObject({
    nodeId: 'n1',
    session: 's1',
    capabilities: { cores: 2, devices: [{ id: 'cpu' }], labels: { zone: 'a' } },
    processes: [{ pid: 'p1-1', target: 'echo', report: { kind: 'ready', permits: 4 } }],
  });
});

it.each<[string, Partial<wire.Register>]>([
  ['a node that is no token', { node: 'a.b' }],
  ['an empty session', { session: '' }],
  ['more cores than there are', { cores: 1_000_000 }],
  ['an unknown provider', { devices: [{ id: 'x', provider: 'tpu', name: '', capacityBytes: 1 }] }],
  [
    'a device with a path',
    { devices: [{ id: '../', provider: 'cpu', name: '', capacityBytes: 1 }] },
  ],
  ['too many devices', { devices: Array(65).fill(register.devices[0]) as wire.Device[] }],
  ['a process without a spec', { processes: [{ ...ready, spec: undefined }] }],
])('refuses %s', (_name, more) => {
  expect(() => readRegistration({ ...register, ...more })).toThrow(InvalidNodeMessage);
});

it('reads what processes hold of generations, and refuses counts that are none', () => {
  const bytes = { rowBytes: 4_096, savedBytes: 8_192, prefixBytes: 0, maxRows: 16 };
  const of = { process: 'p1-1', incarnation: 2, running: 2, waiting: 1, saved: 3, ...bytes };
  expect(readContexts({ freeMemoryBytes: 1, memory: [], contexts: [of] })).toEqual([
    { pid: 'p1-1', incarnation: 2, contexts: { running: 2, waiting: 1, saved: 3, ...bytes } },
  ]);
  // A node of before max_rows.
  const [old] = readContexts({
    freeMemoryBytes: 1,
    memory: [],
    contexts: [{ ...of, maxRows: 0 }],
  });
  expect(old?.contexts).not.toHaveProperty('maxRows');
  const wrong = [{ ...of, rowBytes: Number.NaN }];
  expect(() => readContexts({ freeMemoryBytes: 1, memory: [], contexts: wrong })).toThrow(
    'row_bytes',
  );
  const many = Array(5_000).fill(of) as wire.ProcessContexts[];
  expect(() => readContexts({ freeMemoryBytes: 1, memory: [], contexts: many })).toThrow(
    'contexts',
  );
});

it('refuses an exit for a reason that is none', () => {
  const value = { reason: 'bored', message: '', retryable: false };
  expect(() => readProcessChange({ ...ready, state: { $case: 'exited', value } })).toThrow('bored');
});

import { asTarget } from '@llmos/base';
import type { NodeMessage, ReceivedCommand, ModelRegistration } from '@llmos/base';
import { HARDLY_ANY_BYTES, heldBytesOf } from '@llmos/base/testing';
import * as wire from '@llmos/proto/node';
import {
  InvalidNodeMessage,
  readAddress,
  readKernelMessage,
  readNodeMessage,
  writeKernelMessage,
  writeNodeMessage,
} from './node-codec';

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
const beat: wire.NodeHeartbeat = { freeMemoryBytes: 1, memory: [], contexts: [] };

/** By way of the bytes. */
function sent(message: NodeMessage): NodeMessage | undefined {
  const bytes = wire.NodeMessage.encode(writeNodeMessage(message)).finish();
  return readNodeMessage(wire.NodeMessage.decode(bytes));
}
const readRegister = (more: Partial<wire.Register>): unknown =>
  readNodeMessage({ message: { $case: 'register', value: { ...register, ...more } } });
const readBeat = (more: Partial<wire.NodeHeartbeat>): NodeMessage | undefined =>
  readNodeMessage({ message: { $case: 'heartbeat', value: { ...beat, ...more } } });

it('gives back what a node says, the ends of all kinds', () => {
  const registration = readNodeMessage({ message: { $case: 'register', value: register } });
  if (registration?.kind !== 'register') throw new Error('no registration');
  expect(registration.registration).toMatchObject({
    nodeId: 'n1',
    session: 's1',
    capabilities: { cores: 2, devices: [{ id: 'cpu' }], labels: { zone: 'a' } },
    processes: [{ pid: 'p1-1', target: 'echo', report: { kind: 'ready', permits: 4 } }],
  });
  expect(sent(registration)).toEqual(registration);
  const [process] = registration.registration.processes;
  if (process === undefined) throw new Error('no process');
  const exited = { reason: 'crashed', message: 'x', isRetryable: true } as const;
  for (const report of [
    { kind: 'starting' },
    { kind: 'starting', osPid: 4, progress: 'waiting' },
    { kind: 'exited', ...exited },
  ] as const) {
    const message = { kind: 'process-changed', process: { ...process, report } } as const;
    expect(sent(message)).toEqual(message);
  }
  const counts = { running: 2, waiting: 1, saved: 3 };
  const bytes = { rowBytes: 4_096, savedBytes: 8_192, prefixBytes: 0, maxRows: 16 };
  const name = { pid: process.pid, incarnation: 2 };
  const heartbeat: NodeMessage = {
    kind: 'heartbeat',
    beat: {
      freeMemoryBytes: 9,
      contexts: [{ ...name, contexts: { ...counts, ...bytes } }],
      memory: [{ ...name, residentBytes: 7 }],
      clockOffsetMs: -3,
      isLeaving: true,
    },
  };
  expect(sent(heartbeat)).toEqual(heartbeat);
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
  [
    'a process of what is no target',
    { processes: [{ ...ready, spec: { ...spec, target: 'm@' } }] },
  ],
])('refuses %s', (_name, more) => {
  expect(() => readRegister(more)).toThrow(InvalidNodeMessage);
});

it('reads what processes hold of generations, and refuses counts that are none', () => {
  const bytes = { rowBytes: 4_096, savedBytes: 8_192, prefixBytes: 0, maxRows: 0 };
  const of = { process: 'p1-1', incarnation: 2, running: 2, waiting: 1, saved: 3, ...bytes };
  // A node of before max_rows.
  const old = readBeat({ contexts: [of] });
  const contexts = old?.kind === 'heartbeat' ? old.beat.contexts : [];
  expect(contexts[0]?.contexts).not.toHaveProperty('maxRows');
  expect(() => readBeat({ contexts: [{ ...of, rowBytes: Number.NaN }] })).toThrow('row_bytes');
  const many = Array(5_000).fill(of) as wire.ProcessContexts[];
  expect(() => readBeat({ contexts: many })).toThrow('contexts');
});

it('refuses an exit for a reason that is none', () => {
  const value = { reason: 'bored', message: '', retryable: false };
  const process: wire.ProcessChange = { ...ready, state: { $case: 'exited', value } };
  const message = { $case: 'processChange', value: process } as const;
  expect(() => readNodeMessage({ message })).toThrow('bored');
});

it('holds of a foreign text only what it keeps', async () => {
  const read = (huge: string): unknown => {
    const value = { reason: 'crashed', message: huge, retryable: false };
    const process: wire.ProcessChange = { ...ready, state: { $case: 'exited', value } };
    return readNodeMessage({ message: { $case: 'processChange', value: process } });
  };
  expect(await heldBytesOf(read)).toBeLessThan(HARDLY_ANY_BYTES);
});

const registration = { name: 'm', version: '1' } as ModelRegistration;
const parse = (json: string): ModelRegistration => JSON.parse(json) as ModelRegistration;
const name = { pid: 'p1-1', incarnation: 3 } as { pid: never; incarnation: number };
const order = { target: asTarget('m@1'), registration, device: 'cuda:1', reservedBytes: 5 };

it.each<ReceivedCommand>([
  { kind: 'welcome', heartbeatMs: 1_000, leaseMs: 5_000 },
  { kind: 'not-leader', leaderUrl: 'kernel.local:9000' },
  { kind: 'not-leader', leaderUrl: undefined },
  { kind: 'start', ...name, spec: order },
  { kind: 'start', ...name, spec: { target: asTarget('echo'), device: 'cpu', reservedBytes: 5 } },
  { kind: 'stop', ...name, graceMs: 100 },
])('gives back what a kernel says: $kind', (command) => {
  const message = writeKernelMessage(7, command as Parameters<typeof writeKernelMessage>[1]);
  const bytes = wire.KernelMessage.encode(message).finish();
  const decoded = wire.KernelMessage.decode(bytes);
  expect([decoded.epoch, readKernelMessage(decoded, parse)]).toEqual([7, command]);
});

it('tells of an order whose specification can’t be read, and bounds what a leader asks for', () => {
  const read = (message: wire.KernelMessage['message']): ReceivedCommand | undefined =>
    readKernelMessage({ epoch: 1, message }, parse);
  const start = (of: Partial<wire.ProcessSpec>): ReceivedCommand | undefined =>
    read({
      $case: 'start',
      value: { process: 'p', incarnation: 1, spec: { ...spec, target: 't', ...of } },
    });
  expect(start({ device: 'tpu' })).toMatchObject({ spec: { target: 't' } });
  expect(start({ device: 'tpu' })).toHaveProperty('spec.unreadable');
  // What is said of such an order must be readable itself.
  expect(start({ target: 'm@' })).toHaveProperty('spec', {
    unreadable: 'target is "m@"',
    target: 'unknown',
  });
  expect(start({ registrationJson: '{' })).toHaveProperty('spec.unreadable');
  expect(read({ $case: 'welcome', value: { heartbeatMs: 0, leaseMs: 1 } })).toMatchObject({
    heartbeatMs: 100,
  });
  const stop = { process: 'p', incarnation: 1, graceMs: 1e12 };
  expect(read({ $case: 'stop', value: stop })).toMatchObject({ graceMs: 600_000 });
  expect(read({ $case: 'stop', value: { ...stop, process: 'a.b' } })).toBeUndefined();
  expect(read(undefined)).toBeUndefined();
});

it.each(['', 'a', 'a:b', 'a b:1', 'http://a:1', `${'x'.repeat(300)}:1`, 7])(
  'takes %p for no address',
  (value) => {
    expect(readAddress(value)).toBeUndefined();
  },
);

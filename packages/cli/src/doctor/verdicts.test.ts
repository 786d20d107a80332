import { STREAMS, patterns } from '@llmos/base';
import type { ModelRegistration, NodeRow, ProcessRow, SystemInfo } from '@llmos/base';
import type { StreamDescription } from '@llmos/sdk';
import * as verdicts from './verdicts';

const GIB = 1024 ** 3;

function stream(changes: Partial<StreamDescription> = {}): StreamDescription {
  return {
    name: STREAMS.results,
    subjects: [patterns.results],
    retention: 'limits',
    storage: 'file',
    discard: 'new',
    allowsDirect: true,
    replicas: 1,
    messages: 2,
    bytes: 10,
    maxBytes: 100,
    firstSequence: 1,
    lastSequence: 2,
    ...changes,
  };
}

const node = (changes: Partial<NodeRow> = {}): NodeRow =>
  ({ node: 'n1', state: 'alive', devices: [], ...changes }) as NodeRow;
const model = (footprintBytes: number): ModelRegistration =>
  ({ name: 'tale', version: '1', footprintBytes }) as ModelRegistration;
const device = (capacityBytes: number): NodeRow['devices'][number] =>
  ({ capacityBytes }) as NodeRow['devices'][number];

it.each([
  ['v20.1.0', 'ok'],
  ['v18.19.0', 'problem'],
  ['nonsense', 'problem'],
])('judges Node.js %s as %s', (version, state) => {
  expect(verdicts.checkNode(version).state).toBe(state);
});

it.each([
  ['2.9.10', 'ok'],
  ['2.15.0', 'ok'],
  ['2.8.4', 'problem'],
])('judges NATS %s as %s', (version, state) => {
  expect(verdicts.checkNatsVersion('nats', version, 'here').state).toBe(state);
});

it.each([
  [0, 'ok'],
  [-2_000, 'warning'],
  [60_000, 'problem'],
])('judges a clock that is %d ms off as %s', (differenceMs, state) => {
  expect(verdicts.checkClock('node n1', differenceMs).state).toBe(state);
});

it('says of a stream that it has lost messages which were once there', () => {
  expect(verdicts.checkStream(stream({ notedSequence: 2 }))).toMatchObject({ state: 'ok' });
  expect(verdicts.checkStream(stream({ notedSequence: 3 }))).toMatchObject({
    state: 'problem',
    found: 'LLMOS_RESULTS held messages up to 3 and ends at 2',
    advice: expect.stringMatching(/LLMOS_MAKE_ANEW=LLMOS_RESULTS$/) as string,
  });
});

it('says which settings of a stream are wrong', () => {
  expect(verdicts.checkStream(stream())).toMatchObject({ state: 'ok' });
  const wrong = verdicts.checkStream(stream({ discard: 'old', storage: 'memory' }));
  expect(wrong).toMatchObject({
    state: 'problem',
    found: 'storage is memory, must be file, discard is old, must be new',
  });
  expect(verdicts.checkStream(stream({ bytes: 85 }))).toMatchObject({ state: 'warning' });
  const dropsOld = { name: STREAMS.dead, subjects: [patterns.dead], discard: 'old', bytes: 85 };
  expect(verdicts.checkStream(stream(dropsOld))).toMatchObject({ state: 'ok' });
});

it('finds that no node is alive, or that one is silent', () => {
  expect(verdicts.checkNodes([]).state).toBe('problem');
  expect(verdicts.checkNodes([node(), node({ node: 'n2', state: 'lost' })])).toMatchObject({
    state: 'warning',
    found: '1 of 2 nodes alive; silent: n2',
  });
  expect(verdicts.checkNodes([node()]).state).toBe('ok');
});

it('finds models that fit no device, and those whose processes do not start', () => {
  const nodes = [node({ devices: [device(GIB)] })];
  const processes: ProcessRow[] = [];
  const fleet = { models: [model(2 * GIB)], nodes, processes };
  expect(verdicts.checkModels(fleet)).toMatchObject([
    { name: 'model tale@1', state: 'problem', found: expect.stringContaining('2.0 GiB') },
  ]);
  const ill = { pid: 'p1-1', model: 'tale@1', node: 'n1', state: 'backing-off', reason: 'boom' };
  expect(
    verdicts.checkModels({ models: [model(1)], nodes, processes: [ill as ProcessRow] }),
  ).toMatchObject([{ state: 'warning', found: 'process p1-1 is backing-off: boom' }]);
  expect(verdicts.checkModels({ models: [model(1)], nodes, processes })).toMatchObject([
    { state: 'ok', found: '1 model fit' },
  ]);
});

describe('the clocks of the system', () => {
  const info = (clock?: SystemInfo['clock']): SystemInfo =>
    ({ kernel: 'k1', ...(clock === undefined ? {} : { clock }) }) as SystemInfo;

  it('are well where leader and nodes agree with the server', () => {
    const clocks = verdicts.checkClocks(info({ state: 'agrees', offsetMs: 3, jumps: 0 }), [
      node({ clockOffsetMs: -20 }),
    ]);
    expect(clocks).toEqual([
      { name: 'clock', state: 'ok', found: '2 of 2 programs: the same as the server’s' },
    ]);
  });

  it('are named where they are off, and where the server’s own jumped', () => {
    const clocks = verdicts.checkClocks(info({ state: 'differs', offsetMs: 90_000, jumps: 1 }), [
      node({ clockOffsetMs: -2_000 }),
    ]);
    expect(clocks.map(({ state }) => state)).toEqual(['problem', 'warning', 'warning']);
    expect(clocks[0]?.found).toBe('kernel k1 is 90.0 s ahead of the server');
  });

  it('are skipped while nothing is measured', () => {
    expect(verdicts.checkClocks(info(), [node()])).toMatchObject([{ state: 'skipped' }]);
  });
});

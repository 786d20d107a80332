import type { ModelRegistration, NodeId, ProcessId, ReportedProcess } from '@llmos/base';
import { LlmosError, asTarget } from '@llmos/base';
import type { HeldPackage } from '../models/model-cache';
import type { HostEvents } from './host-supervisor';
import { NodeProcesses } from './node-processes';

const PID = 'p1-1' as ProcessId;
const MODEL = { name: 'm', version: '1', manifest: { task: 'infer', graph: 'g' } };
const registration = MODEL as unknown as ModelRegistration;

function setUp() {
  const told: string[] = [];
  const reasons: string[] = [];
  const hosts: { events: HostEvents; stops: number[]; folder: string | undefined }[] = [];
  let provide: (held: HeldPackage) => void = () => undefined;
  let fail: (thrown: unknown) => void = () => undefined;
  let releases = 0;
  let refusal: Error | undefined;
  const held = { folder: '/cache/m', release: () => void (releases += 1) };
  const processes = new NodeProcesses({
    startHost: (spec, events) => {
      if (refusal !== undefined) throw refusal;
      const host = { events, stops: [] as number[], folder: spec.model?.packageFolder };
      hosts.push(host);
      return { osPid: 100 + hosts.length, stop: (graceMs) => void host.stops.push(graceMs) };
    },
    acquire: () =>
      new Promise((resolve, reject) => {
        provide = resolve;
        fail = reject;
      }),
    memory: { residentBytes: () => 5000 },
    boundMemory: () => undefined,
    hiddenFolders: ['/srv/llmos', '/cache'],
    alarm: { after: () => () => undefined },
    nowMs: () => 0,
    host: { node: 'n1' as NodeId, servers: [], logLevel: 'silent', cores: 2 },
    onChange: (change: ReportedProcess) => {
      const { incarnation, report } = change;
      told.push(`${incarnation} ${report.kind === 'exited' ? report.reason : report.kind}`);
      if (report.kind === 'exited') reasons.push(report.message);
    },
  });
  const start = (incarnation = 1, model?: ModelRegistration): void => {
    const spec = { target: asTarget('echo'), device: 'cpu', reservedBytes: 0 };
    processes.start({
      pid: PID,
      incarnation,
      spec: model === undefined ? spec : { ...spec, registration: model },
    });
  };
  const ready = (index = 0): void =>
    hosts[index]?.events.message({ kind: 'ready', permits: 4, device: 'cpu' });
  const end = (index = 0): void =>
    hosts[index]?.events.ended({ exitCode: null, signal: 'SIGKILL', tail: '' });
  return {
    processes,
    told,
    reasons,
    hosts,
    start,
    ready,
    end,
    provide: () => provide(held),
    fail: (thrown: unknown) => fail(thrown),
    releases: () => releases,
    refuseHosts: (error: Error) => (refusal = error),
  };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('processes of a node', () => {
  it('go from starting to ready to exited, each told once', async () => {
    const { processes, told, start, ready, end } = setUp();
    start();
    await turn();
    ready();
    expect(processes.changes()[0]?.report).toMatchObject({ kind: 'ready', footprintBytes: 5000 });
    end();
    expect(told).toEqual(['1 starting', '1 ready', '1 crashed']);
  });

  it('tell why they ended without the folders and call stacks of this machine', async () => {
    const { hosts, reasons, start, fail } = setUp();
    start();
    await turn();
    const stack = 'Error: no /cache/ab/w.bin\n    at load (/srv/llmos/dist/a.js:1:2)\nthe end';
    hosts[0]?.events.message({ kind: 'crashing', message: `it threw ${stack}` });
    hosts[0]?.events.ended({ exitCode: 1, signal: null, tail: '' });
    start(2);
    await turn();
    hosts[1]?.events.ended({ exitCode: 1, signal: null, tail: `${'x'.repeat(5000)}${stack}` });
    start(3, registration);
    fail(new LlmosError('UNAVAILABLE', "cache: EACCES, open '/cache/ab'"));
    await turn();
    expect(reasons).toEqual([
      'it threw Error: no ab/w.bin\nthe end',
      expect.stringMatching(/its last words: x+Error: no ab\/w.bin\nthe end$/),
      "UNAVAILABLE: cache: EACCES, open 'ab'",
    ]);
  });

  it('tell their state again when an order is repeated, and ignore older ones', async () => {
    const { told, hosts, start, ready } = setUp();
    start(2);
    await turn();
    ready();
    start(2);
    start(1);
    expect(told).toEqual(['2 starting', '2 ready', '2 ready']);
    expect(hosts).toHaveLength(1);
  });

  it('are replaced by a newer incarnation, the old host is killed', async () => {
    const { told, hosts, start, ready, end } = setUp();
    start(1);
    await turn();
    start(2);
    await turn();
    expect(hosts[0]?.stops).toEqual([0]);
    end(0);
    ready(1);
    expect(told.slice(-2)).toEqual(['1 stopped', '2 ready']);
  });

  it('stop within the grace when they run, at once while they load', async () => {
    const { processes, hosts, start, ready } = setUp();
    start(1);
    await turn();
    processes.stop({ pid: PID, incarnation: 1, graceMs: 500 });
    expect(hosts[0]?.stops).toEqual([0]);
    start(2);
    await turn();
    ready(1);
    processes.stop({ pid: PID, incarnation: 1, graceMs: 0 });
    processes.stop({ pid: PID, incarnation: 2, graceMs: 500 });
    expect(hosts[1]?.stops).toEqual([500]);
  });

  it('start no host when they are stopped before their package is there', async () => {
    const { processes, told, hosts, start, provide, releases } = setUp();
    start(1, registration);
    processes.stop({ pid: PID, incarnation: 1, graceMs: 500 });
    provide();
    await turn();
    expect(told.at(-1)).toBe('1 stopped');
    expect(hosts).toEqual([]);
    expect(releases()).toBe(1);
  });

  it('hold their package while they live', async () => {
    const { hosts, start, provide, ready, end, releases } = setUp();
    start(1, registration);
    provide();
    await turn();
    expect(hosts[0]?.folder).toBe('/cache/m');
    ready();
    expect(releases()).toBe(0);
    end();
    expect(releases()).toBe(1);
  });

  it('tell why they can’t be loaded', async () => {
    const { processes, told, hosts, start, fail } = setUp();
    start(1, registration);
    fail(new LlmosError('NOT_FOUND', 'no file', { retryable: true }));
    await turn();
    expect(told.at(-1)).toBe('1 load-failed');
    expect(processes.changes()[0]?.report).toMatchObject({ isRetryable: true });
    start(2);
    await turn();
    hosts[0]?.events.message({
      kind: 'load-failed',
      code: 'INVALID_ARGUMENT',
      message: 'no graph',
      retryable: false,
    });
    hosts[0]?.events.ended({ exitCode: null, signal: 'SIGKILL', tail: '' });
    expect(processes.changes()[0]?.report).toMatchObject({
      reason: 'load-failed',
      message: 'INVALID_ARGUMENT: no graph',
      isRetryable: false,
    });
  });

  it.each([
    ['SIGKILL', '', 'load-failed'],
    ['SIGABRT', "terminate called after throwing an instance of 'std::bad_alloc'", 'load-failed'],
    ['SIGSEGV', '', 'crashed'],
  ])('that end while they load by %s with %j: %s', async (signal, tail, reason) => {
    const { processes, hosts, start, ready } = setUp();
    start(1);
    await turn();
    hosts[0]?.events.ended({ exitCode: null, signal, tail });
    expect(processes.changes()[0]?.report).toMatchObject({ reason, isRetryable: true });
    start(2);
    await turn();
    ready(1);
    hosts[1]?.events.ended({ exitCode: null, signal, tail });
    expect(processes.changes()[0]?.report).toMatchObject({ reason: 'crashed' });
  });

  it('tell it where the machine has no process for them', async () => {
    const { processes, told, start, refuseHosts } = setUp();
    refuseHosts(new LlmosError('RESOURCE_EXHAUSTED', 'no process host: EAGAIN'));
    start(1);
    await turn();
    expect(told).toEqual(['1 load-failed']);
    expect(processes.changes()[0]?.report).toMatchObject({ isRetryable: true });
  });

  it('tell no more of a long message than fits a registration', async () => {
    const { processes, hosts, start, ready, end } = setUp();
    start();
    await turn();
    ready();
    hosts[0]?.events.message({ kind: 'crashing', message: 'x'.repeat(1_000_000) });
    end();
    const [change] = processes.changes();
    expect(JSON.stringify(change).length).toBeLessThan(10_000);
  });

  it('all end when the node stops, and no new one starts', async () => {
    const { processes, told, hosts, start, ready, end } = setUp();
    start();
    await turn();
    ready();
    const closed = processes.close(100);
    expect(hosts[0]?.stops).toEqual([100]);
    end();
    await closed;
    start(2);
    expect(told.at(-1)).toBe('2 load-failed');
  });
});

import type { TaskId, TenantId } from '@llmos/base';
import { NatsError, headers } from '@llmos/wire';
import type { JetStreamManager, NatsConnection } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import { ResultReads } from './result-reads';

const of = { tenant: 'acme' as TenantId, task: 'a' as TaskId };

function setUp(options: { cluster?: string; noDirectReads?: boolean } = {}) {
  const asked: string[] = [];
  const clock = { nowMs: 0 };
  const state = { isAway: false };
  const connection = {
    info: options.cluster === undefined ? {} : { cluster: options.cluster },
    request: async (subject: string) => {
      asked.push(subject);
      if (state.isAway) throw NatsError.errorForCode('TIMEOUT');
      if (options.noDirectReads) throw NatsError.errorForCode('503');
      return Promise.resolve({
        data: new Uint8Array(0),
        headers: headers(404, 'Message Not Found'),
      });
    },
  } as unknown as NatsConnection;
  const manager = {
    streams: {
      getMessage: (stream: string) => {
        asked.push(`leader of ${stream}`);
        return Promise.resolve({ data: Buffer.from('stored'), header: undefined });
      },
    },
  } as unknown as JetStreamManager;
  const reads = new ResultReads({ connection, manager, nowMs: () => clock.nowMs });
  return { reads, asked, clock, state };
}

const DIRECT = [
  '$JS.API.DIRECT.GET.LLMOS_RESULTS.llmos.v1.result.acme.a',
  '$JS.API.DIRECT.GET.LLMOS_ANSWERS.llmos.v1.answer.acme.a',
];
const LEADERS = ['leader of LLMOS_RESULTS', 'leader of LLMOS_ANSWERS'];

describe('reads of results', () => {
  it('ask a lone server directly', async () => {
    const { reads, asked } = setUp();
    expect(await reads.read(of)).toBeUndefined();
    expect(asked).toEqual(DIRECT);
  });

  it('ask the leader in a cluster, and where a stream allows no direct reads', async () => {
    const clustered = setUp({ cluster: 'c' });
    expect((await clustered.reads.read(of))?.body).toEqual(Buffer.from('stored'));
    expect(clustered.asked).toEqual(LEADERS);
    const old = setUp({ noDirectReads: true });
    expect((await old.reads.read(of))?.body).toEqual(Buffer.from('stored'));
    expect(old.asked).toEqual([...DIRECT, ...LEADERS]);
  });

  it('are made anew by the intake where the one before failed', async () => {
    const { reads, state } = setUp();
    state.isAway = true;
    await expect(reads.readForTask(of)).rejects.toMatchObject({ code: 'TIMEOUT' });
    state.isAway = false;
    expect(await reads.known(of)).toBeUndefined();
  });

  it('hand a read on to the intake of its task, once and only while it is fresh', async () => {
    const { reads, asked, clock } = setUp();
    await reads.readForTask(of);
    expect(await reads.known(of)).toBeUndefined();
    expect(asked).toHaveLength(2);
    await reads.known(of);
    expect(asked).toHaveLength(4);
    await reads.readForTask(of);
    clock.nowMs += EDGE_LIMITS.recentReadMs;
    await reads.known(of);
    expect(asked).toHaveLength(8);
  });
});

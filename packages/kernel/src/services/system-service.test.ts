import type { Result } from '@llmos/base';
import { decodeJson, encodeJson, patterns, silentLogger } from '@llmos/base';
import type { KernelEvent } from '../kernel-event';
import { silentCounters } from '../ports/kernel-counters';
import type { RequestLink } from '../ports/request-link';
import { Registry } from './registry';
import type { SystemServiceOptions } from './system-service';
import { startSystemService } from './system-service';

/** A system service whose calls the test makes. */
function setUp(more: Pick<SystemServiceOptions, 'store' | 'isLeading'>) {
  const handlers = new Map<string, Parameters<RequestLink['serve']>[0]['handle']>();
  const delivered: KernelEvent[] = [];
  startSystemService({
    ...({} as SystemServiceOptions),
    requests: {
      maxAnswerBytes: () => 1024 * 1024,
      serve: ({ pattern, handle }) => {
        handlers.set(pattern, handle);
        return { stop: () => undefined };
      },
      heard: () => Promise.resolve(),
    },
    registry: new Registry(silentLogger),
    deliver: (event) => void delivered.push(event),
    counters: silentCounters,
    log: silentLogger,
    ...more,
  });
  const call = (name: string, request: object): Promise<Result> =>
    new Promise((resolve) => {
      handlers.get(patterns.sys)?.({
        subject: `llmos.v1.sys.default.${name}`,
        header: () => undefined,
        body: encodeJson(request),
        answer: (body) => resolve(decodeJson(body) as Result),
        bytes: 1,
        refuse: (_error, body) => resolve(decodeJson(body) as Result),
      });
    });
  return { call, delivered };
}

describe('spawn', () => {
  it('is answered once the wish is written and on its way', async () => {
    const written: object[] = [];
    const store = {
      writeDesired: async (wish: object) => Promise.resolve(void written.push(wish)),
    };
    const { call, delivered } = setUp({ store, isLeading: () => true });
    const request = { model: 'echo', replicas: 2 };
    expect(await call('spawn', request)).toEqual({ ok: true, output: request });
    expect(written).toEqual([request]);
    expect(delivered).toEqual([{ kind: 'spawn-requested', request }]);
  });

  it('is refused where the leadership ended while the wish was written', async () => {
    let isLeading = true;
    const store = { writeDesired: async () => Promise.resolve(void (isLeading = false)) };
    const { call } = setUp({ store, isLeading: () => isLeading });
    expect(await call('spawn', { model: 'echo', replicas: 2 })).toMatchObject({
      ok: false,
      error: { code: 'UNAVAILABLE', retryable: true },
    });
  });
});

import type { TaskStatus, TenantId } from '@llmos/base';
import { NO_TRAITS, silentLogger } from '@llmos/base';
import { manualClock } from '@llmos/base/testing';
import { EDGE_LIMITS } from '../edge-limits';
import { silentCounters } from '../ports/kernel-counters';
import { AttachService } from './attach-service';
import type { AttachServiceOptions } from './attach-service';

const TENANT = 'acme' as TenantId;
const UNKNOWN = { state: 'unknown' } as TaskStatus;
const RUNNING = { state: 'running', function: 'tell' } as TaskStatus;

/** Each look at what is held takes a fifth of the time that an unknown task is looked for. */
function setUp(statusOf: (look: number) => TaskStatus) {
  const clock = manualClock();
  const counts = { looks: 0, reads: 0, chunkReads: 0 };
  const service = new AttachService({
    statusOf: () => {
      counts.looks += 1;
      clock.advance(EDGE_LIMITS.readerUnknownMs / 5);
      return statusOf(counts.looks);
    },
    registry: { traitsOf: (name) => ({ ...NO_TRAITS, streams: name === 'tell' }) },
    results: {
      read: () => {
        counts.reads += 1;
        return Promise.resolve(undefined);
      },
    },
    streams: {
      readChunk: () => {
        counts.chunkReads += 1;
        return Promise.resolve(undefined);
      },
      watch: () => () => undefined,
      openFeed: () => ({ send: () => undefined, close: () => undefined }),
    },
    waiters: { add: () => () => undefined } as unknown as AttachServiceOptions['waiters'],
    counters: silentCounters,
    clock,
    log: silentLogger,
  });
  const attach = () => service.attach({ task: 'story', client: 'reader' }, TENANT);
  return { service, attach, counts };
}

it('looks into the stores twice for a task that nobody knows, however often it asks the kernel', async () => {
  const { service, attach, counts } = setUp(() => UNKNOWN);
  await expect(attach()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(counts).toMatchObject({ reads: 2, chunkReads: 2 });
  expect(counts.looks).toBeGreaterThan(2);
  expect(service.count).toBe(0);
});

it('attaches to a task that is taken in while it looks, without another look into the stores', async () => {
  const { service, attach, counts } = setUp((look) => (look < 3 ? UNKNOWN : RUNNING));
  const attached = await attach();
  service.detachAll();
  expect(attached).toMatchObject({ task: 'story', state: 'running' });
  expect(counts.reads).toBe(1);
});

it('refuses to attach to a task of another function, whenever it is known', async () => {
  const other = { state: 'running', function: 'embed' } as TaskStatus;
  const { attach } = setUp((look) => (look < 2 ? UNKNOWN : other));
  await expect(attach()).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
});

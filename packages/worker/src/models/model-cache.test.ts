import type { ModelRegistration, PackageFile } from '@llmos/base';
import { LlmosError, silentLogger } from '@llmos/base';
import { manualClock } from '@llmos/base/testing';
import type { PackageDisk } from '../ports/package-disk';
import { ModelCache } from './model-cache';

const DIGESTS = { a: 'a'.repeat(64), b: 'b'.repeat(64), c: 'c'.repeat(64) };
type Name = keyof typeof DIGESTS;

function model(name: Name, bytes = 100): ModelRegistration {
  return {
    name,
    version: '1',
    digest: DIGESTS[name],
    files: [{ path: 'model.onnx', sha256: DIGESTS[name], bytes }],
    manifest: { task: 'infer', graph: 'model.onnx' },
    footprintBytes: 0,
    addedWallMs: 0,
  };
}

class FakeDisk implements PackageDisk {
  readonly packages = new Map<string, { bytes: number; usedWallMs: number; isCorrupt: boolean }>();
  readonly log: string[] = [];
  constructor(private readonly wallMs: () => number) {}
  folderOf = (digest: string): string => `/cache/${digest}`;
  async check(digest: string) {
    const found = this.packages.get(digest);
    if (found === undefined) return { kind: 'absent' } as const;
    if (!found.isCorrupt) return { kind: 'valid' } as const;
    return { kind: 'corrupt', what: 'model.onnx has other bytes' } as const;
  }
  async list() {
    return [...this.packages].map(([digest, stored]) => ({ digest, ...stored }));
  }
  async touch(digest: string) {
    const found = this.packages.get(digest);
    if (found !== undefined) found.usedWallMs = this.wallMs();
    return found !== undefined;
  }
  async remove(digest: string) {
    this.log.push(`remove ${digest[0] ?? ''}`);
    this.packages.delete(digest);
  }
  async createDraft(digest: string) {
    let bytes = 0;
    return {
      write: async (_file: PackageFile, source: AsyncIterable<Uint8Array>) => {
        for await (const piece of source) bytes += piece.length;
      },
      publish: async () => {
        this.log.push(`publish ${digest[0] ?? ''}`);
        const stored = { bytes, usedWallMs: this.wallMs(), isCorrupt: false };
        this.packages.set(digest, stored);
      },
      discard: async () => undefined,
    };
  }
}

function setUp(limitBytes = 250) {
  const clock = manualClock();
  const disk = new FakeDisk(() => clock.wallMs());
  const reads: string[] = [];
  const store = {
    async *read(sha256: string): AsyncIterable<Uint8Array> {
      reads.push(sha256[0] ?? '');
      if (sha256 === DIGESTS.c) throw new LlmosError('NOT_FOUND', 'no file');
      yield new Uint8Array(60);
      yield new Uint8Array(40);
    },
  };
  const cache = new ModelCache({ disk, store, limitBytes, clock, log: silentLogger });
  const ignore = (): void => undefined;
  return { clock, disk, reads, cache, ignore };
}

describe('model cache', () => {
  it('fetches a package once, however many ask at once, and tells all how far it is', async () => {
    const { cache, reads, ignore } = setUp();
    const told: number[] = [];
    const [held] = await Promise.all([
      cache.acquire(model('a'), (fetched) => told.push(fetched)),
      cache.acquire(model('a'), ignore),
    ]);
    await cache.acquire(model('a'), ignore);
    expect(reads).toEqual(['a']);
    expect(told).toEqual([60, 100]);
    expect(held.folder).toBe(`/cache/${DIGESTS.a}`);
  });

  it('fetches a package again whose bytes have changed on disk', async () => {
    const { cache, disk, reads, ignore } = setUp();
    disk.packages.set(DIGESTS.a, { bytes: 100, usedWallMs: 0, isCorrupt: true });
    await cache.acquire(model('a'), ignore);
    expect(disk.log).toEqual(['remove a', 'publish a']);
    expect(reads).toEqual(['a']);
  });

  it('makes room by the least recently used package that nobody holds', async () => {
    const { cache, disk, clock, ignore } = setUp();
    const held = await cache.acquire(model('a'), ignore);
    (await cache.acquire(model('b'), ignore)).release();
    clock.advance(3_600_000);
    disk.packages.set('d'.repeat(64), { bytes: 50, usedWallMs: clock.wallMs(), isCorrupt: false });
    const other = { ...model('a'), digest: 'e'.repeat(64), name: 'e' };
    await cache.acquire(other, ignore);
    expect(disk.log).toContain('remove b');
    expect([...disk.packages.keys()].map((digest) => digest[0])).toEqual(['a', 'd', 'e']);
    held.release();
  });

  it('keeps its limit while it fetches several packages at once', async () => {
    const { cache, disk, clock, ignore } = setUp(150);
    const outcomes = await Promise.allSettled([
      cache.acquire(model('a'), ignore),
      cache.acquire(model('b'), ignore),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(outcomes[1]).toMatchObject({ reason: { code: 'RESOURCE_EXHAUSTED', retryable: true } });
    expect([...disk.packages.keys()]).toEqual([DIGESTS.a]);
    // What was promised to a fetch that failed is free again.
    if (outcomes[0].status === 'fulfilled') outcomes[0].value.release();
    clock.advance(3_600_000);
    await expect(cache.acquire(model('c'), ignore)).rejects.toThrow('no file');
    await cache.acquire(model('b'), ignore);
    expect([...disk.packages.keys()]).toEqual([DIGESTS.b]);
  });

  it('asks again for a package that another agent removed while it was checked', async () => {
    const { cache, disk, ignore } = setUp();
    await cache.acquire(model('a'), ignore);
    disk.check = async (digest) => {
      disk.packages.delete(digest);
      return { kind: 'valid' };
    };
    await expect(cache.acquire(model('a'), ignore)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      retryable: true,
    });
  });

  it('refuses now what does not fit now, and for ever what never fits', async () => {
    const { cache, ignore } = setUp(150);
    await cache.acquire(model('a'), ignore);
    await expect(cache.acquire(model('b'), ignore)).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      retryable: true,
    });
    await expect(cache.acquire(model('b', 200), ignore)).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      retryable: false,
    });
  });

  it('holds nothing after a failed fetch, and tries again', async () => {
    const { cache, reads, ignore } = setUp();
    await expect(cache.acquire(model('c'), ignore)).rejects.toThrow('no file');
    await expect(cache.acquire(model('c'), ignore)).rejects.toThrow('no file');
    expect(reads).toEqual(['c', 'c']);
  });

  it('does not touch the disk for a digest or path that is none', async () => {
    const { cache, disk, ignore } = setUp();
    await expect(cache.acquire({ ...model('a'), digest: '../x' }, ignore)).rejects.toThrow('digest');
    const files = [{ path: '../x', sha256: DIGESTS.a, bytes: 1 }];
    await expect(cache.acquire({ ...model('a'), files }, ignore)).rejects.toThrow('../x');
    expect(disk.log).toEqual([]);
  });
});

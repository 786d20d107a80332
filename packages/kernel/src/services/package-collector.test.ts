import { silentLogger } from '@llmos/base';
import type { UnusedItem } from '../ports/package-store';
import { PackageCollector } from './package-collector';
import { PackageTurns } from './package-turns';

const GRACE_MS = 1_000;
const yes = (): boolean => true;

/** Files by digest with their revisions, and what rows name, both as the test sets them. */
function setUp() {
  const files = new Map<string, number>();
  const used = new Set<string>();
  const turns = new PackageTurns();
  const state = { nowMs: 0, hasRows: true, beforeRead: async (): Promise<void> => undefined };
  const itemOf = ([sha256, revision]: [string, number]): UnusedItem => ({
    id: sha256,
    revision,
    sha256,
    subjects: [sha256],
  });
  const collector = new PackageCollector({
    turns,
    graceMs: GRACE_MS,
    nowMs: () => state.nowMs,
    log: silentLogger,
    store: {
      usedFiles: async () => {
        await state.beforeRead();
        return state.hasRows ? new Set(used) : undefined;
      },
    },
    packages: {
      missing: async () => [],
      unused: async (isUsed) => [...files].filter(([sha256]) => !isUsed(sha256)).map(itemOf),
      remove: async ({ id, revision }) => {
        if (files.get(id) === revision) files.delete(id);
      },
    },
  });
  const look = async (atMs: number, mayGoOn = yes): Promise<string[]> => {
    state.nowMs = atMs;
    return (await collector.look(mayGoOn)).map((item) => item.id);
  };
  return { files, used, turns, state, look };
}

describe('what no model names', () => {
  it('goes after the grace, and what is named stays', async () => {
    const { files, used, look } = setUp();
    files.set('kept', 1).set('left', 2);
    used.add('kept');
    expect(await look(0)).toEqual([]);
    expect(await look(GRACE_MS - 1)).toEqual([]);
    expect(await look(GRACE_MS)).toEqual(['left']);
    expect([...files.keys()]).toEqual(['kept']);
  });

  it('waits anew where it was stored again, or used in between', async () => {
    const { files, used, look } = setUp();
    files.set('again', 1).set('used', 2);
    await look(0);
    files.set('again', 3);
    used.add('used');
    await look(GRACE_MS - 1);
    used.delete('used');
    expect(await look(GRACE_MS)).toEqual([]);
    expect(await look(2 * GRACE_MS - 1)).toEqual(['again']);
    expect(await look(2 * GRACE_MS)).toEqual(['used']);
  });

  it('stays while no row has ever been stored: the rows may have been lost', async () => {
    const { files, state, look } = setUp();
    files.set('all', 1);
    state.hasRows = false;
    await look(0);
    expect(await look(GRACE_MS)).toEqual([]);
  });

  it('stays where the leadership has ended', async () => {
    const { files, look } = setUp();
    files.set('left', 1);
    await look(0);
    expect(await look(GRACE_MS, () => false)).toEqual([]);
    expect(files.size).toBe(1);
  });
});

it('a model that is added meanwhile keeps its files, at whatever moment it begins', async () => {
  for (let read = 1; read <= 2; read += 1) {
    const { files, used, turns, state, look } = setUp();
    files.set('left', 1);
    await look(0);
    let reads = 0;
    let wasThere: boolean | undefined;
    let adding: Promise<void> = Promise.resolve();
    const add = async (): Promise<void> => {
      wasThere = files.has('left');
      // Longer than the first read of the rows: only the second one can know of it.
      for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate);
      if (wasThere) used.add('left');
    };
    state.beforeRead = async () => {
      reads += 1;
      if (reads === read) adding = turns.add(add);
      await new Promise(setImmediate);
    };
    await look(GRACE_MS);
    await adding;
    // Either it was told that the file is missing, or the file is there.
    expect(files.has('left')).toBe(wasThere);
    expect(wasThere).toBe(read === 1);
  }
});

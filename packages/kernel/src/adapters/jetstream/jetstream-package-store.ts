/** Looks for package files in the object store `llmos_packages`, and removes unused ones. */
import type { PackageFile } from '@llmos/base';
import { LlmosError, PACKAGE_STORE, decodeJson, isRecord, packageObjectName } from '@llmos/base';
import { readLast } from '@llmos/wire';
import type { JetStreamManager, NatsConnection, ObjectStore } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import type { PackageStore, UnusedItem } from '../../ports/package-store';
import { listSubjects } from './subject-list';

const STREAM = `OBJ_${PACKAGE_STORE}`;
/** Names of objects, in base64, and below `C` the pieces of each under an id of its upload. */
const NAMES = `$O.${PACKAGE_STORE}.M.`;
const PIECES = `$O.${PACKAGE_STORE}.C.`;

export class JetStreamPackageStore implements PackageStore {
  private constructor(
    private readonly store: ObjectStore,
    private readonly manager: JetStreamManager,
  ) {}

  static async open(of: {
    readonly connection: NatsConnection;
    readonly manager: JetStreamManager;
  }): Promise<JetStreamPackageStore> {
    const jetstream = of.connection.jetstream({ timeout: EDGE_LIMITS.requestTimeoutMs });
    return new JetStreamPackageStore(await jetstream.views.os(PACKAGE_STORE), of.manager);
  }

  async missing(files: readonly PackageFile[]): Promise<readonly PackageFile[]> {
    const missing: PackageFile[] = [];
    for (const file of files) {
      const found = await this.store.info(packageObjectName(file.sha256));
      if (found === null || found.deleted || found.size !== file.bytes) missing.push(file);
    }
    return missing;
  }

  async unused(isUsed: (sha256: string) => boolean): Promise<readonly UnusedItem[]> {
    const counts = await this.listFiles();
    const below = (prefix: string): ReadonlyMap<string, number> =>
      new Map([...counts].filter(([subject]) => subject.startsWith(prefix)));
    const pieces = below(PIECES);
    const names = below(NAMES);
    const hasUnfinished = pieces.size > names.size;
    const complete = new Set<string>();
    const unused: UnusedItem[] = [];
    for (const subject of names.keys()) {
      const sha256 = digestOf(subject);
      const isUnused = sha256 !== undefined && !isUsed(sha256);
      if (!isUnused && !hasUnfinished) continue;
      const stored = await readLast(this.manager, STREAM, subject);
      if (stored === undefined) continue;
      const own = piecesOf(stored.data);
      if (own !== undefined) complete.add(own);
      if (!isUnused) continue;
      const subjects = own === undefined ? [subject] : [subject, own];
      unused.push({ id: subject, revision: stored.seq, sha256, subjects });
    }
    for (const [subject, count] of pieces) {
      if (!hasUnfinished || complete.has(subject)) continue;
      unused.push({ id: subject, revision: count, subjects: [subject] });
    }
    return unused;
  }

  async remove({ sha256, revision, subjects }: UnusedItem): Promise<void> {
    const [name, ...others] = subjects;
    if (name === undefined) return;
    // Of a name, what was there when it was judged; whoever stored it anew keeps it.
    const upTo = sha256 === undefined ? {} : { seq: revision + 1 };
    await this.manager.streams.purge(STREAM, { filter: name, ...upTo });
    for (const filter of others) await this.manager.streams.purge(STREAM, { filter });
  }

  private async listFiles(): Promise<ReadonlyMap<string, number>> {
    const most = EDGE_LIMITS.maxPackageSubjects;
    // Pieces before their object's name, so no object that ends meanwhile looks unfinished.
    const filters = [`${PIECES}>`, `${NAMES}>`];
    const list = await listSubjects(this.manager, { stream: STREAM, filters, most });
    if (list.kind === 'listed') return list.counts;
    const message = `${STREAM} has ${list.subjects} subjects: of more than ${most} no list is asked for`;
    throw new LlmosError('RESOURCE_EXHAUSTED', message);
  }
}

/** The digest in a name that is one of ours. */
function digestOf(subject: string): string | undefined {
  const name = Buffer.from(subject.slice(NAMES.length), 'base64url').toString('utf8');
  return /^sha256-([0-9a-f]{64})$/.exec(name)?.[1];
}

/** Where the pieces of an object lie; undefined where what describes it can't be read. */
function piecesOf(description: Uint8Array): string | undefined {
  try {
    const value: unknown = decodeJson(description);
    const id = isRecord(value) ? value['nuid'] : undefined;
    return typeof id === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(id) ? PIECES + id : undefined;
  } catch {
    return undefined;
  }
}

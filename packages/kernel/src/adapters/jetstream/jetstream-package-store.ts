/** Looks for package files in the object store `llmos_packages`, and removes unused ones. */
import type { PackageFile } from '@llmos/base';
import { LlmosError, PACKAGE_STORE, decodeJson, isRecord, packageObjectName } from '@llmos/base';
import {
  PACKAGE_STREAM,
  objectSubject,
  piecesSubject,
  readLast,
  readPackageObject,
} from '@llmos/wire';
import type { JetStreamManager } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import type { PackageStore, UnusedItem } from '../../ports/package-store';
import { listSubjects } from './subject-list';

/** Names of objects, in base64, and below `C` the pieces of each under an id of its upload. */
const NAMES = `$O.${PACKAGE_STORE}.M.`;
const PIECES = piecesSubject('');
/** Of an upload. Whatever else stands in a subject may be a wildcard, which would filter for all. */
const UPLOAD = /^[A-Za-z0-9_-]{1,64}$/;

export class JetStreamPackageStore implements PackageStore {
  constructor(private readonly manager: JetStreamManager) {}

  async missing(files: readonly PackageFile[]): Promise<readonly PackageFile[]> {
    const missing: PackageFile[] = [];
    for (const file of files) {
      const subject = objectSubject(packageObjectName(file.sha256));
      const stored = await readLast(this.manager, PACKAGE_STREAM, subject);
      const found = stored && readPackageObject(stored.data);
      if (found?.size !== file.bytes) missing.push(file);
    }
    return missing;
  }

  async unused(isUsed: (sha256: string) => boolean): Promise<readonly UnusedItem[]> {
    const counts = await this.listFiles();
    const those = (isOne: (subject: string) => boolean): ReadonlyMap<string, number> =>
      new Map([...counts].filter(([subject]) => isOne(subject)));
    const pieces = those(isPieces);
    const names = those((subject) => subject.startsWith(NAMES));
    const hasUnfinished = pieces.size > names.size;
    const complete = new Set<string>();
    const unused: UnusedItem[] = [];
    for (const subject of names.keys()) {
      const sha256 = digestOf(subject);
      const isUnused = sha256 !== undefined && !isUsed(sha256);
      if (!isUnused && !hasUnfinished) continue;
      const stored = await readLast(this.manager, PACKAGE_STREAM, subject);
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
    await this.manager.streams.purge(PACKAGE_STREAM, { filter: name, ...upTo });
    for (const filter of others) await this.manager.streams.purge(PACKAGE_STREAM, { filter });
  }

  private async listFiles(): Promise<ReadonlyMap<string, number>> {
    const most = EDGE_LIMITS.maxPackageSubjects;
    // Pieces before their object's name, so no object that ends meanwhile looks unfinished.
    const filters = [`${PIECES}>`, `${NAMES}>`];
    const list = await listSubjects(this.manager, { stream: PACKAGE_STREAM, filters, most });
    if (list.kind === 'listed') return list.counts;
    const message = `${PACKAGE_STREAM} has ${list.subjects} subjects: of more than ${most} no list is asked for`;
    throw new LlmosError('RESOURCE_EXHAUSTED', message);
  }
}

function isPieces(subject: string): boolean {
  return subject.startsWith(PIECES) && UPLOAD.test(subject.slice(PIECES.length));
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
    return typeof id === 'string' && UPLOAD.test(id) ? piecesSubject(id) : undefined;
  } catch {
    return undefined;
  }
}

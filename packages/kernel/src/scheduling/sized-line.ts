/**
 * What waits for room, by how much it needs: "the most urgent of those that so many bytes are
 * enough for" in O(log n), however many wait and whatever they need.
 *
 * A search tree by bytes that knows the most urgent entry of each of its branches; weights that are
 * as good as random keep it flat (a treap). What orders an entry must not change while it is
 * inside.
 */
import { mix32 } from '@llmos/base';

export interface Sized {
  /** What it needs. */
  readonly bytes: number;
}

interface Branch<Entry> {
  readonly entry: Entry;
  readonly bytes: number;
  /** Tells entries of the same size apart. */
  readonly number: number;
  readonly weight: number;
  left: Branch<Entry> | undefined;
  right: Branch<Entry> | undefined;
  /** The most urgent one of the whole branch. */
  first: Entry;
}

type MaybeBranch<Entry> = Branch<Entry> | undefined;
type IsAllowed<Entry> = (entry: Entry) => boolean;

export class SizedLine<Entry extends Sized> {
  private root: MaybeBranch<Entry>;
  private readonly branches = new Map<Entry, Branch<Entry>>();
  private lastNumber = 0;

  /** @param isBefore whether `a` is more urgent than `b`; total. */
  constructor(private readonly isBefore: (a: Entry, b: Entry) => boolean) {}

  get size(): number {
    return this.branches.size;
  }

  has(entry: Entry): boolean {
    return this.branches.has(entry);
  }

  add(entry: Entry): void {
    if (this.branches.has(entry)) return;
    this.lastNumber += 1;
    const { bytes } = entry;
    const [number, weight] = [this.lastNumber, mix32(this.lastNumber)];
    const sides = { left: undefined, right: undefined };
    const branch: Branch<Entry> = { entry, bytes, number, weight, ...sides, first: entry };
    this.branches.set(entry, branch);
    this.root = this.insert(this.root, branch);
  }

  delete(entry: Entry): void {
    const branch = this.branches.get(entry);
    if (branch === undefined) return;
    this.branches.delete(entry);
    this.root = this.remove(this.root, branch);
  }

  /**
   * The most urgent one that so many bytes are enough for, of those that are allowed. Each more
   * urgent one that is not allowed costs a step.
   */
  first(bytes: number, isAllowed: IsAllowed<Entry> = () => true): Entry | undefined {
    return this.firstIn(this.root, { bytes, isAllowed }, undefined);
  }

  /** All that so many bytes are too few for. */
  above(bytes: number): Entry[] {
    const found: Entry[] = [];
    const waiting = [this.root];
    while (waiting.length > 0) {
      const branch = waiting.pop();
      if (branch === undefined) continue;
      waiting.push(branch.right);
      if (branch.bytes <= bytes) continue;
      found.push(branch.entry);
      waiting.push(branch.left);
    }
    return found;
  }

  private firstIn(
    branch: MaybeBranch<Entry>,
    of: { readonly bytes: number; readonly isAllowed: IsAllowed<Entry> },
    best: Entry | undefined,
  ): Entry | undefined {
    if (branch === undefined || !this.isBetter(branch.first, best)) return best;
    const { left, right, entry } = branch;
    if (branch.bytes > of.bytes) return this.firstIn(left, of, best);
    const found = this.isBetter(entry, best) && of.isAllowed(entry) ? entry : best;
    // The side that may have the better one first: the other is then seldom looked into.
    const isLeftFirst = left !== undefined && this.isBetter(left.first, right?.first);
    const [one, other] = isLeftFirst ? [left, right] : [right, left];
    return this.firstIn(other, of, this.firstIn(one, of, found));
  }

  private isBetter(entry: Entry, than: Entry | undefined): boolean {
    return than === undefined || this.isBefore(entry, than);
  }

  private insert(at: MaybeBranch<Entry>, added: Branch<Entry>): Branch<Entry> {
    if (at === undefined) return this.known(added);
    if (added.weight > at.weight) {
      [added.left, added.right] = this.split(at, added);
      return this.known(added);
    }
    if (isSmaller(added, at)) at.left = this.insert(at.left, added);
    else at.right = this.insert(at.right, added);
    return this.known(at);
  }

  private remove(at: MaybeBranch<Entry>, gone: Branch<Entry>): MaybeBranch<Entry> {
    if (at === undefined) return undefined;
    if (at === gone) return this.merge(at.left, at.right);
    if (isSmaller(gone, at)) at.left = this.remove(at.left, gone);
    else at.right = this.remove(at.right, gone);
    return this.known(at);
  }

  /** What is smaller, and the rest. */
  private split(
    at: MaybeBranch<Entry>,
    than: Branch<Entry>,
  ): [MaybeBranch<Entry>, MaybeBranch<Entry>] {
    if (at === undefined) return [undefined, undefined];
    if (isSmaller(at, than)) {
      const [smaller, rest] = this.split(at.right, than);
      at.right = smaller;
      return [this.known(at), rest];
    }
    const [smaller, rest] = this.split(at.left, than);
    at.left = rest;
    return [smaller, this.known(at)];
  }

  private merge(smaller: MaybeBranch<Entry>, rest: MaybeBranch<Entry>): MaybeBranch<Entry> {
    if (smaller === undefined || rest === undefined) return smaller ?? rest;
    if (smaller.weight > rest.weight) {
      smaller.right = this.merge(smaller.right, rest);
      return this.known(smaller);
    }
    rest.left = this.merge(smaller, rest.left);
    return this.known(rest);
  }

  /** With the most urgent one of it and its sides. */
  private known(branch: Branch<Entry>): Branch<Entry> {
    let first = branch.entry;
    if (branch.left !== undefined && this.isBefore(branch.left.first, first)) {
      first = branch.left.first;
    }
    if (branch.right !== undefined && this.isBefore(branch.right.first, first)) {
      first = branch.right.first;
    }
    branch.first = first;
    return branch;
  }
}

function isSmaller(a: Branch<unknown>, b: Branch<unknown>): boolean {
  return a.bytes === b.bytes ? a.number < b.number : a.bytes < b.bytes;
}

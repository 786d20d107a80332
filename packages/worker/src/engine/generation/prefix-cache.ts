/**
 * Keys and values of prompts that were computed, found by the prompts that begin like them. Pure.
 *
 * One radix tree of tokens for each scope: a node is a stretch of tokens, a path from the root a
 * prompt's beginning, and each leaf an entry. Keys and values of a token depend on the tokens
 * before it alone, so every entry below a node holds those of the whole path to it. Invariants:
 * C1 the leaves are the entries, and a node without one has at least two children;
 * C2 `bytes` is the sum over the entries and at most `maxBytes`;
 * C3 what is found in a scope was inserted in that scope.
 */
import type { SavedKv } from '../rows/decoder-rows';
import { ENGINE_LIMITS } from '../limits';

export interface PrefixCacheOptions {
  readonly maxBytes: number;
}

export interface FoundPrefix {
  readonly saved: SavedKv;
  /** How many of the tokens asked for the saved ones begin with; fewer than either may have. */
  readonly tokenCount: number;
}

interface Node {
  readonly scope: string;
  parent: Node | undefined;
  ids: readonly number[];
  /** By the first of their tokens. */
  readonly children: Map<number, Node>;
  saved: SavedKv | undefined;
}

export class PrefixCache {
  private readonly roots = new Map<string, Node>();
  /** Leaves, the least recently used first. */
  private readonly entries = new Set<Node>();
  private heldBytes = 0;

  constructor(private readonly options: PrefixCacheOptions) {}

  get maxBytes(): number {
    return this.options.maxBytes;
  }

  get bytes(): number {
    return this.heldBytes;
  }

  get entryCount(): number {
    return this.entries.size;
  }

  /**
   * The longest beginning of the tokens that is held: never all of them, since the last one must be
   * fed to learn what follows. Undefined where it is too short to be worth a copy.
   */
  find(scope: string, ids: readonly number[]): FoundPrefix | undefined {
    const root = this.roots.get(scope);
    if (root === undefined) return undefined;
    const { node, depth } = descend(root, ids);
    const tokenCount = Math.min(depth, ids.length - 1);
    if (tokenCount < ENGINE_LIMITS.minPrefixTokens) return undefined;
    const leaf = anyLeaf(node);
    this.touch(leaf);
    return { saved: leaf.saved as SavedKv, tokenCount };
  }

  /**
   * Keeps what was saved of a prompt. A shorter beginning of it is replaced; where a longer prompt
   * is held that begins with it, or it alone is larger than the cache, it is not kept.
   *
   * @param ids the tokens that were saved; those beyond `saved.tokenCount` don't count.
   */
  insert(scope: string, ids: readonly number[], saved: SavedKv): void {
    const own = ids.slice(0, saved.tokenCount);
    if (own.length < ENGINE_LIMITS.minPrefixTokens || saved.bytes > this.options.maxBytes) return;
    const root = this.rootOf(scope);
    const { node, depth, matched } = descend(root, own);
    if (depth === own.length) {
      this.touch(anyLeaf(node));
      return;
    }
    // A leaf that ends here is a beginning of the new prompt: the new one takes its place.
    if (node.saved !== undefined && matched === node.ids.length) {
      this.drop(node);
      node.ids = [...node.ids, ...own.slice(depth)];
      this.hold(node, saved);
    } else {
      const parent = matched === node.ids.length ? node : split(node, matched);
      const leaf = createNode(scope, parent, own.slice(depth));
      parent.children.set(own[depth] as number, leaf);
      this.hold(leaf, saved);
    }
    this.evict();
  }

  /** What is not as the invariants say; empty where all is well. */
  violations(): readonly string[] {
    const found: string[] = [];
    const leaves = [...this.roots].flatMap(([scope, root]) => leavesOf(root, scope, found));
    const isSame = leaves.length === this.entries.size && leaves.every((x) => this.entries.has(x));
    if (!isSame) found.push('C1: the leaves are not the entries');
    const bytes = leaves.reduce((sum, leaf) => sum + (leaf.saved?.bytes ?? 0), 0);
    if (bytes !== this.heldBytes) found.push(`C2: ${bytes} bytes are held, not ${this.heldBytes}`);
    if (bytes > this.options.maxBytes) found.push(`C2: ${bytes} bytes are too many`);
    return found;
  }

  private rootOf(scope: string): Node {
    const known = this.roots.get(scope);
    if (known !== undefined) return known;
    const root = createNode(scope, undefined, []);
    this.roots.set(scope, root);
    return root;
  }

  private hold(leaf: Node, saved: SavedKv): void {
    leaf.saved = saved;
    this.entries.add(leaf);
    this.heldBytes += saved.bytes;
  }

  private drop(leaf: Node): void {
    this.entries.delete(leaf);
    this.heldBytes -= leaf.saved?.bytes ?? 0;
    leaf.saved = undefined;
  }

  private touch(leaf: Node): void {
    this.entries.delete(leaf);
    this.entries.add(leaf);
  }

  private evict(): void {
    for (const leaf of this.entries) {
      if (this.heldBytes <= this.options.maxBytes) return;
      this.drop(leaf);
      this.cutOff(leaf);
    }
  }

  /** Takes a node without an entry out of its tree. */
  private cutOff(node: Node): void {
    const { parent } = node;
    if (parent === undefined) return;
    parent.children.delete(node.ids[0] as number);
    if (parent.parent === undefined) {
      if (parent.children.size === 0) this.roots.delete(node.scope);
      return;
    }
    const [only, ...others] = parent.children.values();
    if (only !== undefined && others.length === 0) join(parent, only);
  }
}

interface Descent {
  /** Where the tokens lead to: the root, or a node of which `matched` tokens are the same. */
  readonly node: Node;
  readonly matched: number;
  /** Tokens that are the same from the root on. */
  readonly depth: number;
}

function descend(root: Node, ids: readonly number[]): Descent {
  let node = root;
  let matched = 0;
  let depth = 0;
  for (;;) {
    const child = depth < ids.length ? node.children.get(ids[depth] as number) : undefined;
    if (child === undefined) return { node, matched, depth };
    node = child;
    matched = 0;
    while (matched < node.ids.length && depth < ids.length && node.ids[matched] === ids[depth]) {
      matched += 1;
      depth += 1;
    }
    if (matched < node.ids.length) return { node, matched, depth };
  }
}

/** Below every node there is an entry (C1). */
function anyLeaf(node: Node): Node {
  let leaf = node;
  while (leaf.saved === undefined) leaf = leaf.children.values().next().value as Node;
  return leaf;
}

function leavesOf(node: Node, scope: string, violations: string[]): readonly Node[] {
  if (node.scope !== scope) violations.push(`C3: ${node.scope} is below ${scope}`);
  const children = [...node.children];
  for (const [token, child] of children) {
    if (child.ids[0] !== token || child.parent !== node) violations.push('C1: a child is astray');
  }
  const isLeaf = children.length === 0;
  const isThin = children.length < (node.parent === undefined ? 1 : 2);
  if (node.saved === undefined ? isThin : !isLeaf) violations.push('C1: a node is misshapen');
  return isLeaf ? [node] : children.flatMap(([, child]) => leavesOf(child, scope, violations));
}

/** Puts a node between this one and its parent that takes its first tokens; answers it. */
function split(node: Node, tokenCount: number): Node {
  const upper = createNode(node.scope, node.parent, node.ids.slice(0, tokenCount));
  node.parent?.children.set(upper.ids[0] as number, upper);
  node.ids = node.ids.slice(tokenCount);
  node.parent = upper;
  upper.children.set(node.ids[0] as number, node);
  return upper;
}

/** Puts a node's only child in its place. */
function join(node: Node, child: Node): void {
  child.ids = [...node.ids, ...child.ids];
  child.parent = node.parent;
  node.parent?.children.set(child.ids[0] as number, child);
}

function createNode(scope: string, parent: Node | undefined, ids: readonly number[]): Node {
  return { scope, parent, ids, children: new Map(), saved: undefined };
}

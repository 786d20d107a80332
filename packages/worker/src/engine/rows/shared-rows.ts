/**
 * Rows of a graph that reads its past and writes its present in one buffer (GroupQueryAttention).
 *
 * Each key-value pair has one buffer `[rows, kv heads, tokens, head size]`. Open rows stand at its
 * front without a gap; a row that leaves gives its place to the last one. A prompt is fed to a view
 * of one row, the next tokens of many to a view of them all. Room grows by copy to what the rows
 * hold, and shrinks when they leave.
 *
 * Where the runtime rounds the step of a lone row in a way of its own, another row computes along:
 * an open one beside it, or the empty place behind it. Its result is dropped, and what it writes
 * stands past its own tokens.
 *
 * Invariants, checked by `checkRows`:
 * - R1: a row that is open stands in `rows` at its `index`, which is its place in each buffer;
 * - R2: the tokens that a row holds fit the tokens that a place has room for;
 * - R3: the rows that are open fit the rows that the buffers have room for.
 *
 * What a row holds past its `tokenCount` is never read: the mask's row sum is the number of tokens
 * that count. That is why a row may be fed beside another one's garbage, and cut without a write.
 */
import { LlmosError } from '@llmos/base';
import type { HostTensor } from '../../ports/model-runner';
import type { DecoderGraph, DecoderStep } from './decoder-graph';
import type { DecoderRows, KvRow, SavedKv } from './decoder-rows';
import { FloatBuffer } from './decoder-buffers';
import type { RowPlace } from './kv-cache';
import { bytesPerToken, copyTokens, numbersOf, saveTokens, savedPlace } from './kv-cache';
import type { RowRoom } from './row-room';
import { fitsMemory, roomAfterLeave, roomFor } from './row-room';
import { zeroTensor } from '../tensors/tensor-values';

export interface SharedRowsOptions {
  readonly graph: DecoderGraph;
  readonly maxRows: number;
  /** Tokens that a row may come to. */
  readonly maxTokens: number;
  /** Rows change each other's results, so each runs alone. */
  readonly hasDependentRows: boolean;
  /** A step of one row gives it other numbers than a step of several. Default: false. */
  readonly roundsLoneRow?: boolean;
}

class SharedRow implements KvRow {
  tokenCount = 0;
  isOpen = true;

  constructor(public index: number) {}
}

/** The same tensors as past and as present. */
type RowView = Pick<DecoderStep, 'pasts' | 'presents'>;

const NO_ROOM: RowRoom = { rows: 0, tokens: 0 };

export class SharedRows implements DecoderRows {
  readonly takesParts = true;
  readonly isSavable = true;
  readonly rowsPerRun: number;
  readonly bytesPerToken: number;
  private room = NO_ROOM;
  private buffers: readonly HostTensor[] = [];
  private readonly rows: SharedRow[] = [];
  /** Keeps the only open row company; never open itself. */
  private readonly spare = new SharedRow(1);
  private readonly views = new Map<string, RowView>();
  private readonly gathered = new FloatBuffer();

  /** Throws FAILED_PRECONDITION where the graph's keys and values have no rows. */
  constructor(private readonly options: SharedRowsOptions) {
    const { graph, hasDependentRows, maxRows } = options;
    if (graph.pairs.length === 0 || graph.pairs.some((pair) => !pair.hasRows)) {
      throw new LlmosError('FAILED_PRECONDITION', 'the graph takes no rows of keys and values');
    }
    this.rowsPerRun = hasDependentRows || graph.staticRows === 1 ? 1 : maxRows;
    this.bytesPerToken = bytesPerToken(graph.pairs);
  }

  get vocabularySize(): number | undefined {
    return this.options.graph.vocabularySize;
  }

  get bytes(): number {
    return this.room.rows * this.room.tokens * this.bytesPerToken;
  }

  async open(): Promise<KvRow> {
    return this.add(0);
  }

  async restore(saved: SavedKv, tokenCount: number): Promise<KvRow> {
    const row = this.add(tokenCount);
    this.options.graph.pairs.forEach((pair, index) =>
      copyTokens(pair, savedPlace(saved, index), this.placeOf(row, index), tokenCount),
    );
    row.tokenCount = tokenCount;
    return row;
  }

  async feed(row: KvRow, ids: readonly number[], wanted: number): Promise<Float32Array> {
    if (ids.length === 1) return this.decode([row], ids);
    const own = this.own(row);
    this.reserve(this.rows.length, own.tokenCount + ids.length);
    const view = this.viewOf(own.index, 1);
    const pastTokens = [own.tokenCount];
    const { logits } = await this.options.graph.run({ ids, pastTokens, ...view, wanted });
    own.tokenCount += ids.length;
    return logits;
  }

  async decode(rows: readonly KvRow[], ids: readonly number[]): Promise<Float32Array> {
    if (rows.length > this.rowsPerRun) throw new LlmosError('INTERNAL', 'too many rows for a run');
    const own = rows.map((row) => this.own(row));
    const run = this.withCompany(own);
    const tokens = Math.max(...run.map((row) => row.tokenCount)) + 1;
    this.reserve(Math.max(this.rows.length, run.length), tokens);
    const logits = await this.step(run, ids);
    for (const row of own) row.tokenCount += 1;
    return logits.subarray(0, (logits.length / run.length) * own.length);
  }

  cut(row: KvRow, tokenCount: number): void {
    const own = this.own(row);
    own.tokenCount = Math.min(own.tokenCount, tokenCount);
  }

  save(row: KvRow): Promise<SavedKv> {
    const own = this.own(row);
    const { pairs } = this.options.graph;
    return Promise.resolve(saveTokens(pairs, (index) => this.placeOf(own, index), own.tokenCount));
  }

  close(row: KvRow): void {
    const own = this.own(row);
    own.isOpen = false;
    const last = this.rows.pop() as SharedRow;
    if (last !== own) {
      this.copyRow(last.index, own.index, last.tokenCount);
      last.index = own.index;
      this.rows[own.index] = last;
    }
    this.resize(roomAfterLeave(this.room, this.used(), this.bytesPerToken));
  }

  closeAll(): void {
    for (const row of this.rows) row.isOpen = false;
    this.rows.length = 0;
    this.resize(NO_ROOM);
  }

  /** Violations of R1 … R3; none where all is well. */
  checkRows(): readonly string[] {
    const { rows, tokens } = this.room;
    return this.rows.flatMap((row, index) => [
      ...(row.index === index && row.isOpen ? [] : [`R1: row ${index} is not at its place`]),
      ...(row.tokenCount <= tokens ? [] : [`R2: row ${index} holds more tokens than it has room`]),
      ...(this.rows.length <= rows ? [] : [`R3: ${this.rows.length} rows in room for ${rows}`]),
    ]);
  }

  /** R1: whoever holds a row that was closed, or is another's, must not reach a place. */
  private own(row: KvRow): SharedRow {
    if (row instanceof SharedRow && row.isOpen && this.rows[row.index] === row) return row;
    throw new LlmosError('INTERNAL', 'a row that is not open here');
  }

  /**
   * A lone row and one that computes along. Where memory does not hold two rows of its tokens,
   * there is no other row beside it either: at these tokens it is alone each time.
   */
  private withCompany(rows: readonly SharedRow[]): readonly SharedRow[] {
    const [only] = rows;
    if (only === undefined || rows.length > 1 || this.options.roundsLoneRow !== true) return rows;
    const room = { rows: 2, tokens: only.tokenCount + 1 };
    if (!fitsMemory(room, this.bytesPerToken)) return rows;
    return [only, this.rows[only.index + 1] ?? this.rows[only.index - 1] ?? this.spare];
  }

  /** Logits of the rows; those beyond the ids are given any token. */
  private async step(rows: readonly SharedRow[], ids: readonly number[]): Promise<Float32Array> {
    const first = this.gather(rows);
    const tokens = new Array<number>(rows.length);
    const pastTokens = new Array<number>(rows.length);
    rows.forEach((row, at) => {
      tokens[row.index - first] = (ids[at] ?? ids[0]) as number;
      pastTokens[row.index - first] = row.tokenCount;
    });
    const view = this.viewOf(first, rows.length);
    const { logits } = await this.options.graph.run({
      ...{ ids: tokens, pastTokens, wanted: 1 },
      ...view,
    });
    return this.inOrder(rows, first, logits);
  }

  private used(): RowRoom {
    const tokens = this.rows.reduce((most, row) => Math.max(most, row.tokenCount), 0);
    return { rows: this.rows.length, tokens };
  }

  private add(tokenCount: number): SharedRow {
    if (this.rows.length >= this.options.maxRows) {
      throw new LlmosError('RESOURCE_EXHAUSTED', `all ${this.options.maxRows} rows are in use`);
    }
    this.reserve(this.rows.length + 1, Math.max(1, tokenCount));
    const row = new SharedRow(this.rows.length);
    this.rows.push(row);
    return row;
  }

  /** R2, R3: room for so many rows, one of them of so many tokens; what rows hold stays. */
  private reserve(rows: number, tokens: number): void {
    const { maxRows, maxTokens } = this.options;
    const bounds = { maxRows, maxTokens, bytesPerToken: this.bytesPerToken };
    if (rows <= this.room.rows && tokens <= this.room.tokens) return;
    const needs = { rows, tokens: Math.max(tokens, this.used().tokens) };
    this.resize(roomFor(this.room, needs, bounds));
  }

  private resize(room: RowRoom): void {
    if (room.rows === this.room.rows && room.tokens === this.room.tokens) return;
    const old = { buffers: this.buffers, room: this.room };
    const { pairs } = this.options.graph;
    const buffers = pairs.map(({ type, dimsOf }) =>
      zeroTensor(type, [room.rows, ...dimsOf(room.tokens).slice(1)]),
    );
    pairs.forEach((pair, index) => {
      for (const row of this.rows) {
        const from = placeIn(old.buffers[index] as HostTensor, row.index, old.room);
        const to = placeIn(buffers[index] as HostTensor, row.index, room);
        copyTokens(pair, from, to, row.tokenCount);
      }
    });
    this.buffers = buffers;
    this.room = room;
    this.views.clear();
  }

  private placeOf(row: SharedRow, pairIndex: number): RowPlace {
    return placeIn(this.buffers[pairIndex] as HostTensor, row.index, this.room);
  }

  private copyRow(from: number, to: number, tokenCount: number): void {
    this.options.graph.pairs.forEach((pair, index) => {
      const buffer = this.buffers[index] as HostTensor;
      const place = (row: number) => placeIn(buffer, row, this.room);
      copyTokens(pair, place(from), place(to), tokenCount);
    });
  }

  /** The rows side by side, in any order; answers where they begin. */
  private gather(rows: readonly SharedRow[]): number {
    const first = Math.min(...rows.map((row) => row.index));
    const last = Math.max(...rows.map((row) => row.index));
    if (last - first + 1 === rows.length) return first;
    const wanted = new Set(rows);
    const outside = rows.filter((row) => row.index >= rows.length);
    for (let index = 0; outside.length > 0; index += 1) {
      const here = this.rows[index] as SharedRow;
      if (!wanted.has(here)) this.swap(here, outside.pop() as SharedRow);
    }
    return 0;
  }

  private swap(a: SharedRow, b: SharedRow): void {
    const { pairs } = this.options.graph;
    const saved = saveTokens(pairs, (index) => this.placeOf(a, index), a.tokenCount);
    this.copyRow(b.index, a.index, b.tokenCount);
    [a.index, b.index] = [b.index, a.index];
    this.rows[a.index] = a;
    this.rows[b.index] = b;
    pairs.forEach((pair, index) =>
      copyTokens(pair, savedPlace(saved, index), this.placeOf(a, index), a.tokenCount),
    );
  }

  /** Logits stand in the order of the places; the caller's is that of its rows. */
  private inOrder(rows: readonly SharedRow[], first: number, logits: Float32Array): Float32Array {
    if (rows.every((row, at) => row.index - first === at)) return logits;
    const width = logits.length / rows.length;
    const ordered = this.gathered.array(logits.length);
    rows.forEach((row, at) => {
      const from = (row.index - first) * width;
      ordered.set(logits.subarray(from, from + width), at * width);
    });
    return ordered;
  }

  private viewOf(first: number, count: number): RowView {
    const key = `${first}:${count}`;
    const known = this.views.get(key);
    if (known !== undefined) return known;
    const pasts = new Map<string, HostTensor>();
    const presents = new Map<string, HostTensor>();
    this.options.graph.pairs.forEach((pair, index) => {
      const { type, dims, elements } = this.buffers[index] as HostTensor;
      const size = elements.length / this.room.rows;
      const part = numbersOf(elements).subarray(first * size, (first + count) * size);
      const view: HostTensor = {
        ...{ kind: 'host', type, elements: part },
        dims: [count, ...dims.slice(1)],
      };
      pasts.set(pair.input, view);
      presents.set(pair.output, view);
    });
    const view = { pasts, presents };
    this.views.set(key, view);
    return view;
  }
}

function placeIn(buffer: HostTensor, row: number, room: RowRoom): RowPlace {
  const elements = numbersOf(buffer.elements);
  return { elements, start: (row * elements.length) / room.rows, room: room.tokens };
}

/**
 * The rows of a GroupQueryAttention graph on a device with memory of its own, where their keys and
 * values stay: those that decode together are the *batch*, one tensor `[rows, heads, tokens, size]`
 * per key or value of the graph; one that reads its prompt is alone, in tensors of a single row.
 *
 * Nothing is written in place there: a run takes the past in its full length and gives a present
 * as long, then the past is disposed of. A row enters the batch before its first decode, and
 * leaves it to be fed alone. A place without a row, or with one that sits a run out, computes
 * along: what it writes stands after the row's last token, where the row's next one overwrites it.
 *
 * Invariants: D1 a place of the batch and its row name each other; D2 the tokens of a row fit the
 * room of its tensors; D3 each tensor has one owner, which disposes of it.
 */
import { LlmosError } from '@llmos/base';
import type { HostTensor, RunnerTensor } from '../../ports/model-runner';
import type { RowCopier } from '../../ports/row-copier';
import { FloatBuffer } from './decoder-buffers';
import type { DecoderGraph } from './decoder-graph';
import type { DecoderRows, KvRow, SavedKv } from './decoder-rows';
import type { DeviceKv } from './device-kv';
import { NO_ROOM, batchRoom, disposeOf, pickRows } from './device-kv';
import { bytesPerToken, numbersOf, savedPlace } from './kv-cache';
import type { RowBounds, RowRoom } from './row-room';
import { roomFor } from './row-room';
import { zeroTensor } from '../tensors/tensor-values';

export interface DeviceRowsOptions {
  readonly graph: DecoderGraph;
  readonly copier: RowCopier;
  /** Rows that are open at once; all of them fit one run. */
  readonly maxRows: number;
  /** Tokens that one row may come to. */
  readonly maxTokens: number;
  /** Rows change each other's results, so each runs alone. Default: false. */
  readonly hasDependentRows?: boolean;
}

type Place =
  | { readonly kind: 'empty' }
  | { readonly kind: 'alone'; readonly kv: DeviceKv }
  | { readonly kind: 'batched'; readonly index: number }
  | { readonly kind: 'closed' };

class DeviceRow implements KvRow {
  tokenCount = 0;
  place: Place = { kind: 'empty' };
}

interface Batch {
  kv: DeviceKv;
  /** By place, as many as the tensors have rows. */
  readonly rows: (DeviceRow | undefined)[];
}

interface Outcome {
  /** Flat; valid until the next run. */
  readonly logits: Float32Array;
  readonly present: DeviceKv;
}

export class DeviceRows implements DecoderRows {
  readonly takesParts = true;
  readonly isSavable = true;
  readonly rowsPerRun: number;
  readonly bytesPerToken: number;
  private readonly bounds: RowBounds;
  private readonly presents: ReadonlyMap<string, 'new'>;
  private readonly opened = new Set<DeviceRow>();
  private readonly picked = new FloatBuffer();
  private batch: Batch | undefined;

  /** Throws FAILED_PRECONDITION where the graph's keys and values have no rows. */
  constructor(private readonly options: DeviceRowsOptions) {
    const { graph, hasDependentRows, maxRows, maxTokens } = options;
    if (graph.pairs.length === 0 || graph.pairs.some((pair) => !pair.hasRows)) {
      throw new LlmosError('FAILED_PRECONDITION', 'the graph takes no rows of keys and values');
    }
    this.rowsPerRun = hasDependentRows === true || graph.staticRows === 1 ? 1 : maxRows;
    this.bytesPerToken = bytesPerToken(graph.pairs);
    this.bounds = { maxRows, maxTokens, bytesPerToken: this.bytesPerToken };
    this.presents = new Map(graph.pairs.map((pair) => [pair.output, 'new']));
  }

  get vocabularySize(): number | undefined {
    return this.options.graph.vocabularySize;
  }

  get bytes(): number {
    const rooms = [...this.opened].flatMap(({ place }) =>
      place.kind === 'alone' ? place.kv.room : [],
    );
    if (this.batch !== undefined) rooms.push(this.batch.kv.room);
    return rooms.reduce((sum, room) => sum + room.rows * room.tokens, 0) * this.bytesPerToken;
  }

  open(): Promise<KvRow> {
    const { maxRows } = this.options;
    if (this.opened.size >= maxRows) {
      return Promise.reject(new LlmosError('RESOURCE_EXHAUSTED', `all ${maxRows} rows are in use`));
    }
    const row = new DeviceRow();
    this.opened.add(row);
    return Promise.resolve(row);
  }

  async restore(saved: SavedKv, tokenCount: number): Promise<KvRow> {
    const row = (await this.open()) as DeviceRow;
    if (tokenCount === 0) return row;
    try {
      const tensors = this.options.graph.pairs.map(({ type, dimsOf }, index): HostTensor => {
        const { elements } = savedPlace(saved, index);
        return { kind: 'host', type, dims: dimsOf(saved.tokenCount), elements };
      });
      const room = this.roomOfOne(tokenCount + 1);
      row.place = { kind: 'alone', kv: await this.copy(tensors, [0], tokenCount, room) };
      row.tokenCount = tokenCount;
      return row;
    } catch (thrown) {
      this.close(row);
      throw thrown;
    }
  }

  async feed(kvRow: KvRow, ids: readonly number[], wanted: number): Promise<Float32Array> {
    const row = this.own(kvRow);
    const tokenCount = row.tokenCount + ids.length;
    const kv = await this.separate(row, tokenCount);
    const { logits, present } = await this.run(kv, ids, [row.tokenCount], wanted);
    row.place = { kind: 'alone', kv: present };
    row.tokenCount = tokenCount;
    return logits;
  }

  async decode(kvRows: readonly KvRow[], ids: readonly number[]): Promise<Float32Array> {
    const rows = kvRows.map((row) => this.own(row));
    if (this.rowsPerRun === 1) return this.decodeEach(rows, ids);
    const batch = await this.gather(rows);
    const tokens = new Map(rows.map((row, index) => [row, ids[index] ?? 0]));
    const { logits, present } = await this.run(
      batch.kv,
      batch.rows.map((row) => (row === undefined ? 0 : (tokens.get(row) ?? 0))),
      batch.rows.map((row) => row?.tokenCount ?? 0),
      1,
    );
    batch.kv = present;
    for (const row of rows) row.tokenCount += 1;
    const wanted = rows.map((row) => batch.rows.indexOf(row));
    return pickRows(logits, { wanted, rowCount: batch.rows.length, buffer: this.picked });
  }

  cut(kvRow: KvRow, tokenCount: number): void {
    const row = this.own(kvRow);
    row.tokenCount = Math.min(row.tokenCount, tokenCount);
  }

  async save(kvRow: KvRow): Promise<SavedKv> {
    const row = this.own(kvRow);
    const { tokenCount } = row;
    const { tensors, index } = this.sourceOf(row);
    const layout = { rows: [index], keptTokens: tokenCount, lengthTokens: tokenCount };
    const copies =
      tokenCount === 0
        ? this.options.graph.pairs.map(({ type, dimsOf }) => zeroTensor(type, dimsOf(0)))
        : await this.options.copier.download(tensors, layout);
    const parts = copies.map(({ elements }) => numbersOf(elements));
    return { tokenCount, bytes: parts.reduce((sum, part) => sum + part.byteLength, 0), parts };
  }

  close(kvRow: KvRow): void {
    const row = kvRow as DeviceRow;
    if (!this.opened.delete(row)) return;
    const { place } = row;
    row.place = { kind: 'closed' };
    if (place.kind === 'alone') disposeOf(place.kv);
    if (place.kind === 'batched') this.vacate(place.index);
  }

  closeAll(): void {
    for (const row of [...this.opened]) this.close(row);
  }

  /** Violations of D1 and D2; none where all is well. */
  checkRows(): readonly string[] {
    const { batch } = this;
    const places = batch?.rows ?? [];
    return [
      ...(batch === undefined || places.some(Boolean) ? [] : ['D1: the batch has no row']),
      ...places.flatMap((row, index) => {
        if (row === undefined) return [];
        const isHere = row.place.kind === 'batched' && row.place.index === index;
        return isHere && this.opened.has(row) ? [] : [`D1: place ${index} names another's row`];
      }),
      ...[...this.opened].flatMap((row) => {
        const { place, tokenCount } = row;
        const isNamed = place.kind !== 'batched' || places[place.index] === row;
        const kv = place.kind === 'alone' ? place.kv : batch?.kv;
        const room = place.kind === 'empty' ? 0 : (kv?.room.tokens ?? 0);
        return [
          ...(isNamed ? [] : ['D1: a row names a place that is not its own']),
          ...(tokenCount <= room ? [] : [`D2: ${tokenCount} tokens in room for ${room}`]),
        ];
      }),
    ];
  }

  private own(row: KvRow): DeviceRow {
    if (row instanceof DeviceRow && this.opened.has(row)) return row;
    throw new LlmosError('INTERNAL', 'a row that is not open here');
  }

  private async decodeEach(
    rows: readonly DeviceRow[],
    ids: readonly number[],
  ): Promise<Float32Array> {
    const before = rows.map((row) => row.tokenCount);
    let all: Float32Array = new Float32Array();
    try {
      for (const [index, row] of rows.entries()) {
        const logits = await this.feed(row, [ids[index] ?? 0], 1);
        all = this.picked.array(rows.length * logits.length);
        all.set(logits, index * logits.length);
      }
      return all;
    } catch (thrown) {
      rows.forEach((row, index) => this.cut(row, before[index] ?? 0));
      throw thrown;
    }
  }

  /** Uses up the past, unless the run fails. */
  private async run(
    past: DeviceKv,
    ids: readonly number[],
    pastTokens: readonly number[],
    wanted: number,
  ): Promise<Outcome> {
    const { pairs } = this.options.graph;
    const pasts = new Map(
      pairs.map(({ input }, index) => [input, past.tensors[index] as RunnerTensor]),
    );
    const { presents } = this;
    const { logits, tensors } = await this.options.graph.run({
      ...{ ids, pastTokens, pasts, presents, wanted },
    });
    const present = {
      tensors: pairs.flatMap(({ output }) => tensors.get(output) ?? []),
      room: past.room,
    };
    const isAsLong = present.tensors.every(({ dims }) => dims[2] === past.room.tokens);
    if (present.tensors.length !== pairs.length || !isAsLong) {
      disposeOf(present);
      throw new LlmosError('INTERNAL', 'the graph gave keys and values of another length');
    }
    disposeOf(past);
    return { logits, present };
  }

  /** The tensors of the row alone, with room for so many tokens; it leaves the batch. */
  private async separate(row: DeviceRow, tokens: number): Promise<DeviceKv> {
    const { batch } = this;
    if (row.place.kind === 'batched' && batch?.rows.length === 1) {
      this.batch = undefined;
      row.place = { kind: 'alone', kv: batch.kv };
    }
    const { place } = row;
    if (place.kind === 'alone' && tokens <= place.kv.room.tokens) return place.kv;
    return this.makeRoom(row, this.roomOfOne(tokens));
  }

  /** Copies the row to tensors of its own. */
  private async makeRoom(row: DeviceRow, room: RowRoom): Promise<DeviceKv> {
    const { place } = row;
    const { tensors, index } = this.sourceOf(row);
    const kv = await this.copy(tensors, [index], row.tokenCount, room);
    row.place = { kind: 'alone', kv };
    if (place.kind === 'alone') disposeOf(place.kv);
    if (place.kind === 'batched') this.vacate(place.index);
    return kv;
  }

  /** The batch with all these rows in it, and room for a further token in each of its places. */
  private async gather(rows: readonly DeviceRow[]): Promise<Batch> {
    for (const row of this.batch?.rows ?? []) {
      // What the place of a row that sits out writes must find a place after its last token.
      const isFull = row !== undefined && row.tokenCount >= this.options.maxTokens;
      if (isFull && !rows.includes(row)) await this.makeRoom(row, this.roomOfOne(row.tokenCount));
    }
    const joining = rows.filter((row) => row.place.kind !== 'batched');
    const staying = this.batch?.rows.flatMap((row) => row ?? []) ?? [];
    const needs = {
      rows: staying.length + joining.length,
      tokens: longestOf([...staying, ...joining]) + 1,
    };
    let batch = await this.fitBatch(staying, needs);
    for (const row of joining) {
      if (batch === undefined) batch = await this.startBatch(row, needs);
      else await this.enter(batch, row);
    }
    if (batch === undefined) throw new LlmosError('INTERNAL', 'no row is to be decoded');
    return batch;
  }

  private async fitBatch(
    staying: readonly DeviceRow[],
    needs: RowRoom,
  ): Promise<Batch | undefined> {
    const { batch } = this;
    if (batch === undefined) return undefined;
    const has = batch.kv.room;
    const room = batchRoom(has, needs, this.bounds);
    if (room.rows === has.rows && room.tokens === has.tokens) return batch;
    const indices = staying.map((row) => batch.rows.indexOf(row));
    const kv = await this.copy(batch.kv.tensors, indices, longestOf(staying), room);
    disposeOf(batch.kv);
    return this.setBatch(kv, staying);
  }

  /** The first row of a batch brings its tensors along where they will do. */
  private async startBatch(row: DeviceRow, needs: RowRoom): Promise<Batch> {
    if (needs.rows === 1) return this.setBatch(await this.separate(row, needs.tokens), [row]);
    const alone = this.sourceOf(row);
    const room = roomFor(NO_ROOM, needs, this.bounds);
    const kv = await this.copy(alone.tensors, [0], row.tokenCount, room);
    disposeOf(alone);
    return this.setBatch(kv, [row]);
  }

  private async enter(batch: Batch, row: DeviceRow): Promise<void> {
    const index = batch.rows.indexOf(undefined);
    const room = { rows: 1, tokens: batch.kv.room.tokens };
    const isAsLong = row.place.kind === 'alone' && row.place.kv.room.tokens === room.tokens;
    if (!isAsLong) await this.makeRoom(row, room);
    const alone = this.sourceOf(row);
    const tensors = await this.options.copier.place(batch.kv.tensors, alone.tensors, index);
    disposeOf(batch.kv);
    disposeOf(alone);
    batch.kv = { ...batch.kv, tensors };
    batch.rows[index] = row;
    row.place = { kind: 'batched', index };
  }

  private setBatch(kv: DeviceKv, rows: readonly DeviceRow[]): Batch {
    this.batch = { kv, rows: Array.from({ length: kv.room.rows }, (_, index) => rows[index]) };
    rows.forEach((row, index) => {
      row.place = { kind: 'batched', index };
    });
    return this.batch;
  }

  private vacate(index: number): void {
    const { batch } = this;
    if (batch === undefined) return;
    batch.rows[index] = undefined;
    if (batch.rows.some(Boolean)) return;
    disposeOf(batch.kv);
    this.batch = undefined;
  }

  /** Where the row's keys and values stand; those of an empty row are one blank token. */
  private sourceOf({ place }: DeviceRow): { tensors: readonly RunnerTensor[]; index: number } {
    if (place.kind === 'alone') return { tensors: place.kv.tensors, index: 0 };
    if (place.kind === 'batched' && this.batch !== undefined) {
      return { tensors: this.batch.kv.tensors, index: place.index };
    }
    const { pairs } = this.options.graph;
    return { tensors: pairs.map(({ type, dimsOf }) => zeroTensor(type, dimsOf(1))), index: 0 };
  }

  /** Copies of the rows there; rows beyond them repeat the first, so that all is finite. */
  private async copy(
    tensors: readonly RunnerTensor[],
    indices: readonly number[],
    tokenCount: number,
    room: RowRoom,
  ): Promise<DeviceKv> {
    const [first = 0] = indices;
    const copies = await this.options.copier.copy(tensors, {
      rows: Array.from({ length: room.rows }, (_, index) => indices[index] ?? first),
      // A copy of no tokens is no tensor; one that nobody reads does no harm.
      keptTokens: Math.max(1, tokenCount),
      lengthTokens: room.tokens,
    });
    return { tensors: copies, room };
  }

  /** Room for one row; as much as in the batch where that will do, since the row is to enter it. */
  private roomOfOne(tokens: number): RowRoom {
    const inBatch = this.batch?.kv.room.tokens ?? 0;
    return tokens <= inBatch
      ? { rows: 1, tokens: inBatch }
      : roomFor(NO_ROOM, { rows: 1, tokens }, this.bounds);
  }
}

function longestOf(rows: readonly DeviceRow[]): number {
  return rows.reduce((most, row) => Math.max(most, row.tokenCount), 0);
}

/**
 * Rows of a graph that gives its past back with the new part appended, or that keeps nothing. Each
 * runs alone. What a graph on the host gives is never changed again: a row is saved by reference.
 */
import { LlmosError } from '@llmos/base';
import type { HostTensor, RunnerTensor } from '../../ports/model-runner';
import type { DecoderGraph } from './decoder-graph';
import type { DecoderRows, KvRow, SavedKv } from './decoder-rows';
import { bytesPerToken, copyTokens, elementsOf, numbersOf, savedPlace } from './kv-cache';
import { zeroTensor } from '../tensors/tensor-values';

export interface SeparateRowsOptions {
  readonly graph: DecoderGraph;
  readonly maxRows: number;
}

class SeparateRow implements KvRow {
  /** What the graph keeps nothing of is fed again at every step. */
  ids: readonly number[] = [];
  tokenCount = 0;

  constructor(public pasts: ReadonlyMap<string, RunnerTensor>) {}
}

export class SeparateRows implements DecoderRows {
  readonly rowsPerRun = 1;
  /** Not every export masks the part of a prompt against what it holds. */
  readonly takesParts = false;
  readonly isSavable: boolean;
  readonly bytesPerToken: number;
  private readonly rows = new Set<SeparateRow>();

  constructor(private readonly options: SeparateRowsOptions) {
    const { pairs, runner } = options.graph;
    this.isSavable = pairs.length > 0 && runner.provider === 'cpu';
    this.bytesPerToken = bytesPerToken(pairs);
  }

  get vocabularySize(): number | undefined {
    return this.options.graph.vocabularySize;
  }

  get bytes(): number {
    let tokens = 0;
    for (const row of this.rows) tokens += row.tokenCount;
    return tokens * this.bytesPerToken;
  }

  open(): Promise<KvRow> {
    const { graph, maxRows } = this.options;
    if (this.rows.size >= maxRows) {
      const message = `all ${maxRows} rows are in use`;
      return Promise.reject(new LlmosError('RESOURCE_EXHAUSTED', message));
    }
    const empty = graph.pairs.map(
      ({ input, type, dimsOf }) => [input, zeroTensor(type, dimsOf(0))] as const,
    );
    const row = new SeparateRow(new Map(empty));
    this.rows.add(row);
    return Promise.resolve(row);
  }

  async restore(saved: SavedKv, tokenCount: number): Promise<KvRow> {
    const row = this.own(await this.open());
    row.pasts = this.tensorsOf(saved, tokenCount);
    row.tokenCount = tokenCount;
    return row;
  }

  async feed(row: KvRow, ids: readonly number[], wanted: number): Promise<Float32Array> {
    const own = this.own(row);
    const { graph } = this.options;
    const recomputes = graph.pairs.length === 0;
    const all = recomputes ? [...own.ids, ...ids] : ids;
    const { logits, tensors } = await graph.run({
      ids: all,
      pastTokens: [recomputes ? 0 : own.tokenCount],
      pasts: own.pasts,
      presents: new Map(graph.pairs.map((pair) => [pair.output, 'new'])),
      wanted,
    });
    this.accept(own, tensors);
    own.tokenCount += ids.length;
    if (recomputes) own.ids = all;
    return logits;
  }

  decode(rows: readonly KvRow[], ids: readonly number[]): Promise<Float32Array> {
    const [only] = rows;
    if (only !== undefined && rows.length === 1) return this.feed(only, ids, 1);
    return Promise.reject(new LlmosError('INTERNAL', 'one row at a time'));
  }

  cut(row: KvRow, tokenCount: number): void {
    const own = this.own(row);
    if (tokenCount >= own.tokenCount) return;
    own.pasts = this.tensorsOf(this.saved(own), tokenCount);
    own.ids = own.ids.slice(0, tokenCount);
    own.tokenCount = tokenCount;
  }

  save(row: KvRow): Promise<SavedKv> {
    return Promise.resolve(this.saved(this.own(row)));
  }

  close(row: KvRow): void {
    const own = this.own(row);
    this.rows.delete(own);
    for (const tensor of own.pasts.values()) if (tensor.kind === 'device') tensor.dispose();
  }

  closeAll(): void {
    for (const row of [...this.rows]) this.close(row);
  }

  private own(row: KvRow): SeparateRow {
    if (row instanceof SeparateRow && this.rows.has(row)) return row;
    throw new LlmosError('INTERNAL', 'a row that is not open here');
  }

  /** Takes the present of a run that succeeded as the next past. */
  private accept(row: SeparateRow, results: ReadonlyMap<string, RunnerTensor>): void {
    const pasts = this.options.graph.pairs.map((pair) => {
      const present = results.get(pair.output);
      if (present !== undefined) return [pair.input, present] as const;
      throw new LlmosError('FAILED_PRECONDITION', `the graph gave no ${pair.output}`);
    });
    for (const tensor of row.pasts.values()) if (tensor.kind === 'device') tensor.dispose();
    row.pasts = new Map(pasts);
  }

  private saved(row: SeparateRow): SavedKv {
    if (!this.isSavable) throw new LlmosError('INTERNAL', 'these rows can not be saved');
    const parts = this.options.graph.pairs.map((pair) =>
      numbersOf((row.pasts.get(pair.input) as HostTensor).elements),
    );
    const bytes = parts.reduce((sum, part) => sum + part.byteLength, 0);
    return { tokenCount: row.tokenCount, bytes, parts };
  }

  private tensorsOf(saved: SavedKv, tokenCount: number): ReadonlyMap<string, HostTensor> {
    const tensors = this.options.graph.pairs.map((pair, index) => {
      const from = savedPlace(saved, index);
      const isWhole = tokenCount === saved.tokenCount;
      const elements = isWhole ? from.elements : elementsOf(pair, tokenCount);
      if (!isWhole) {
        copyTokens(pair, from, { elements, start: 0, room: tokenCount }, tokenCount);
      }
      const { type, dimsOf } = pair;
      return [pair.input, { kind: 'host', type, dims: dimsOf(tokenCount), elements }] as const;
    });
    return new Map(tensors);
  }
}

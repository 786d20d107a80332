/** A histogram whose buckets were counted elsewhere: read and shown at each scrape. */
import { Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import type { HistogramCounts } from '../../actors/host-protocol';

type Labels = Readonly<Record<string, string>>;

export interface ReadHistogramOptions {
  readonly name: string;
  readonly help: string;
  /** Upper bounds, ascending. */
  readonly bounds: readonly number[];
  readonly registry: Registry;
  readonly read: () => readonly { readonly labels: Labels; readonly counted: HistogramCounts }[];
}

type Shown = Awaited<ReturnType<Histogram['get']>>;
type Value = Shown['values'][number];

export class ReadHistogram extends Histogram {
  constructor(private readonly options: ReadHistogramOptions) {
    const { name, help, registry } = options;
    super({ name, help, registers: [registry] });
  }

  override get(): Promise<Shown> {
    const { name, help, read } = this.options;
    const values = read().flatMap(({ labels, counted }) => this.valuesOf(labels, counted));
    const collect = (): void => undefined;
    const shown = { name, help, type: 'histogram', values, aggregator: 'sum', collect };
    return Promise.resolve(shown as unknown as Shown);
  }

  /** What the registry asks for where a metric has it. */
  getForPromString(): Promise<Shown> {
    return this.get();
  }

  private valuesOf(labels: Labels, counted: HistogramCounts): Value[] {
    const { name, bounds } = this.options;
    let count = 0;
    const buckets = [...bounds, '+Inf' as const].map((le, index): Value => {
      // Prometheus counts in each bucket what is in the lower ones, too.
      count += counted.counts[index] ?? 0;
      return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: counted.sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }
}

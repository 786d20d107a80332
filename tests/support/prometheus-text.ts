/** Reads Prometheus' text format, and the rules of `promtool check metrics` for it. */
export interface MetricFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly MetricSample[];
}

export interface MetricSample {
  /** With `_bucket`, `_sum` or `_count` where the family is a histogram. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface OpenFamily extends MetricFamily {
  readonly samples: MetricSample[];
}

export function parseMetrics(text: string): ReadonlyMap<string, MetricFamily> {
  const families = new Map<string, OpenFamily>();
  const helps = new Map<string, string>();
  let current: OpenFamily | undefined;
  for (const line of text.split('\n')) {
    const header = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line);
    if (header !== null) {
      const [, kind, name = '', rest = ''] = header;
      if (kind === 'HELP') helps.set(name, rest);
      else {
        current = { name, type: rest, help: helps.get(name) ?? '', samples: [] };
        families.set(name, current);
      }
      continue;
    }
    const sample = parseSample(line);
    if (sample !== undefined) current?.samples.push(sample);
  }
  return families;
}

function parseSample(line: string): MetricSample | undefined {
  const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
  if (match === null) return undefined;
  const [, name = '', labelText = '', value] = match;
  const labels = [...labelText.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(
    ([, label = '', text = '']) => [label, text] as const,
  );
  return { name, labels: Object.fromEntries(labels), value: Number(value) };
}

/** The sum of the samples that have these labels; `name` may end in `_sum`, `_count`, `_bucket`. */
export function sumOf(
  families: ReadonlyMap<string, MetricFamily>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const family = families.get(name) ?? families.get(name.replace(/_(sum|count|bucket)$/, ''));
  if (family === undefined) throw new Error(`no metric ${name}`);
  return family.samples
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([key, text]) => sample.labels[key] === text))
    .reduce((total, sample) => total + sample.value, 0);
}

const NOT_BASE_UNITS =
  /_(milliseconds|microseconds|nanoseconds|minutes|hours|days|ms|us|ns|sec|secs|kilobytes|megabytes|gigabytes|kb|mb|gb|bits|percent)(_|$)/;

/** What promtool's linter says of names, types, help and labels; empty where all is well. */
export function metricProblems(families: ReadonlyMap<string, MetricFamily>): string[] {
  return [...families.values()].flatMap((family) => {
    const { name, type, help, samples } = family;
    const problem = (holds: boolean, text: string): string[] => (holds ? [`${name}: ${text}`] : []);
    const labels = new Set(samples.flatMap((sample) => Object.keys(sample.labels)));
    return [
      ...problem(help.trim() === '', 'no help text'),
      ...problem(type === 'untyped' || type === '', 'no type'),
      ...problem(!/^[a-z_:][a-z0-9_:]*$/.test(name), 'not in snake_case'),
      ...problem(name.includes(':'), 'a colon is for recording rules'),
      ...problem(type === 'counter' && !name.endsWith('_total'), 'a counter ends in _total'),
      ...problem(type !== 'counter' && name.endsWith('_total'), 'only a counter ends in _total'),
      ...problem(/_(count|sum|bucket)$/.test(name), 'reserved suffix'),
      ...problem(new RegExp(`_(${type})(_|$)`).test(name), 'the type is part of the name'),
      ...problem(NOT_BASE_UNITS.test(name), 'not in a base unit'),
      ...problem(type !== 'histogram' && labels.has('le'), 'the label le is for histograms'),
      ...problem(type !== 'summary' && labels.has('quantile'), 'quantile is for summaries'),
      ...problem(
        [...labels].some((label) => !/^[a-z_][a-z0-9_]*$/.test(label)),
        'a label is not in snake_case',
      ),
    ];
  });
}

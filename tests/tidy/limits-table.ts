/** Every bound in the code, read from its file: its name, its default as docs/limits.md shows it. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runInNewContext } from 'node:vm';
import ts from 'typescript';
import { repositoryFolder } from '../support/shared-folder';

export interface Limit {
  /** The exported object that holds it, or its own name where it stands alone. */
  readonly group: string;
  readonly name: string;
  readonly shown: string;
}

const FILES = [
  'packages/base/src/limits.ts',
  'packages/wire/src/limits.ts',
  'packages/kernel/src/limits.ts',
  'packages/kernel/src/edge-limits.ts',
  'packages/process/src/limits.ts',
  'packages/onnx/src/limits.ts',
  'packages/worker/src/limits.ts',
  'packages/worker/src/engine/limits.ts',
  'packages/worker/src/models/limits.ts',
  'packages/sdk/src/limits.ts',
  'packages/local/src/limits.ts',
  'packages/cli/src/limits.ts',
];
const CORE_OPTIONS = 'packages/kernel/src/core-options.ts';

type Values = Readonly<Record<string, unknown>>;

/** In the order of the files and of the code. */
export function readLimits(): readonly Limit[] {
  const groups = FILES.flatMap((file) => Object.entries(load(file)));
  const { resolveCoreOptions } = load(CORE_OPTIONS) as {
    readonly resolveCoreOptions: (options: object) => Values;
  };
  return [...groups, ['CORE_OPTIONS', resolveCoreOptions({})] as const].flatMap(([group, value]) =>
    isBackoff(value)
      ? [{ group, name: group, shown: show(group, value) }]
      : Object.entries(value as Values).map(([name, of]) => ({
          group,
          name,
          shown: show(name, of),
        })),
  );
}

/** Runs the file alone: bounds depend on other bounds only. */
function load(file: string): Values {
  const path = join(repositoryFolder, file);
  const options = { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 };
  const code = ts.transpileModule(readFileSync(path, 'utf8'), { compilerOptions: options });
  const exports = {};
  const require = (name: string): Values =>
    name.startsWith('.') ? load(join(dirname(file), `${name}.ts`)) : {};
  runInNewContext(code.outputText, { exports, require });
  return exports;
}

interface Backoff {
  readonly firstMs: number;
  readonly factor: number;
  readonly maxMs: number;
}

function isBackoff(value: unknown): value is Backoff {
  return typeof value === 'object' && value !== null && 'firstMs' in value;
}

function show(name: string, value: unknown): string {
  if (value === undefined) return 'never';
  if (typeof value === 'number') return showNumber(name, value);
  if (isBackoff(value)) {
    return `${showMs(value.firstMs)}, then × ${value.factor} up to ${showMs(value.maxMs)}`;
  }
  return Object.entries(value as Values)
    .map(([part, of]) => `${part} ${show(name.endsWith('Ms') ? name : part, of)}`)
    .join(', ');
}

function showNumber(name: string, value: number): string {
  if (value === Infinity) return 'none';
  if (name.endsWith('Ms')) return showMs(value);
  if (name.endsWith('Bytes')) return showBytes(value);
  return value.toLocaleString('en-US');
}

function showMs(value: number): string {
  for (const [unit, size] of [
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1_000],
  ] as const) {
    if (value >= size && value % (size / 4) === 0) return `${value / size} ${unit}`;
  }
  return `${value} ms`;
}

function showBytes(value: number): string {
  for (const [unit, power] of [
    ['GiB', 3],
    ['MiB', 2],
    ['KiB', 1],
  ] as const) {
    if (value >= 1024 ** power && value % 1024 ** power === 0) {
      return `${value / 1024 ** power} ${unit}`;
    }
  }
  return `${value} B`;
}

/** `llmos model …`: the registry of model packages. */
import { existsSync, statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import { LlmosError, formatModelRef, isModelName, parseModelRef, quoteShort } from '@llmos/base';
import type { ModelRegistration, ModelTraits } from '@llmos/base';
import { newestOf } from '@llmos/local';
import type { CommandHost, SystemUse } from '../command-host';
import { SYSTEM_CALL, systemCommand, useSystem, withExamples } from '../command-host';
import type { CommonOptions } from '../connection';
import { formatTable } from '../output/table';
import type { Style } from '../output/style';
import { count, formatBytes } from '../output/units';
import { UsageError } from '../usage-error';
import { registerModelQuantize } from './model-quantize';

interface AddOptions extends CommonOptions {
  readonly name?: string;
  readonly modelVersion?: string;
  readonly graph?: string;
}

export function registerModel(program: Command, host: CommandHost): void {
  const model = program
    .command('model')
    .description('add, quantize, list, inspect and remove models');
  const add = systemCommand(model, 'add <folder>')
    .description('check a model package (it is loaded and run once) and register it')
    .option('--name <name>', 'name in the registry; default: the name of the folder')
    .option('--model-version <version>', 'version; default: one more than the newest')
    .option('--graph <path>', 'graph inside the folder, where it holds several')
    .action((folder: string, options: AddOptions) =>
      useSystem(host, options, (use) => addModel(use, folder, { ...options, signal: host.signal })),
    );
  withExamples(add, ['llmos model add ./storyteller', 'llmos model add ./export --name my-model']);

  registerModelQuantize(model, host);

  systemCommand(model, 'list')
    .description('list the registered models')
    .action((options: CommonOptions) =>
      useSystem(host, options, async ({ client, terminal }) => {
        const models = await client.models(SYSTEM_CALL);
        if (terminal.isJson) terminal.json(models);
        else terminal.line(formatModels(models, terminal.style));
      }),
    );

  systemCommand(model, 'inspect <model>')
    .description('show what is known of a model: NAME or NAME@VERSION')
    .action((name: string, options: CommonOptions) =>
      useSystem(host, options, async ({ client, terminal }) => {
        const found = findModel(await client.models(SYSTEM_CALL), name);
        if (terminal.isJson) terminal.json(found);
        else terminal.line(formatModel(found, terminal.style));
      }),
    );

  withExamples(
    systemCommand(model, 'remove <model>')
      .description('remove a model; NAME removes every version')
      .action((name: string, options: CommonOptions) =>
        useSystem(host, options, async ({ client, terminal }) => {
          const removed = await client.removeModel(name, SYSTEM_CALL);
          if (terminal.isJson) terminal.json({ removed });
          else terminal.line(`removed ${removed.join(', ')}`);
        }),
      ),
    ['llmos model remove storyteller', 'llmos model remove storyteller@1'],
  );
}

async function addModel(
  { client, terminal }: SystemUse,
  given: string,
  options: AddOptions & { readonly signal: AbortSignal },
): Promise<void> {
  const folder = resolve(given);
  if (!existsSync(folder) || !statSync(folder).isDirectory()) {
    throw new UsageError(`${folder} is not a folder`);
  }
  const name = options.name ?? basename(folder);
  if (!isModelName(name)) {
    const rule = 'letters, digits, -, _ and single dots, at most 64; give one with --name';
    throw new UsageError(`${quoteShort(name)} can't be the name of a model: ${rule}`);
  }
  terminal.progress(`checking ${folder}`);
  // Loaded only here: no other command needs it, and it is large.
  const { checkPackage } = await import('@llmos/worker');
  const { modelVersion: version, graph, signal } = options;
  const description = await checkPackage(folder, {
    signal,
    ...(graph === undefined ? {} : { graph }),
    onProgress: (step) => terminal.progress(`checking ${name}: ${step}`),
  });
  const { model, added } = await client.addModel({
    name,
    folder,
    description,
    signal,
    ...(version === undefined ? {} : { version }),
    onProgress: ({ storedBytes, totalBytes }) =>
      terminal.progressBar(
        totalBytes === 0 ? 1 : storedBytes / totalBytes,
        `storing ${name}: ${formatBytes(storedBytes)} of ${formatBytes(totalBytes)}`,
      ),
  });
  if (terminal.isJson) return terminal.json({ model, added });
  const what = added ? 'added' : 'is there already:';
  terminal.line(`${what} ${formatModelRef(model)} (${model.manifest.task})`);
}

/** The newest version where none is named. Throws NOT_FOUND. */
function findModel(models: readonly ModelRegistration[], text: string): ModelRegistration {
  const ref = parseModelRef(text);
  if (ref === undefined) throw new UsageError(`${quoteShort(text)} is not NAME or NAME@VERSION`);
  const found =
    ref.version === undefined
      ? newestOf(models).get(ref.name)
      : models.find((model) => model.name === ref.name && model.version === ref.version);
  if (found !== undefined) return found;
  throw new LlmosError('NOT_FOUND', `model ${quoteShort(text)} is not registered`);
}

function formatModels(models: readonly ModelRegistration[], style: Style): string {
  if (models.length === 0) return style.dim('no models; add one with: llmos model add <folder>');
  return formatTable<ModelRegistration>(
    [
      { title: 'MODEL', cell: (row) => style.bold(formatModelRef(row)) },
      { title: 'SERVES', cell: (row) => row.manifest.task },
      { title: 'SIZE', align: 'right', cell: (row) => formatBytes(packageBytes(row)) },
      { title: 'MEMORY', align: 'right', cell: (row) => formatBytes(row.footprintBytes) },
      { title: 'READS', align: 'right', cell: (row) => readsOf(row) },
      { title: 'ADDED', cell: (row) => new Date(row.addedWallMs).toISOString().slice(0, 16) },
    ],
    models,
    style,
  );
}

function formatModel(model: ModelRegistration, style: Style): string {
  const facts: [string, string][] = [
    ['model', formatModelRef(model)],
    ['serves', model.manifest.task],
    ['graph', model.manifest.graph],
    ['reads', readsOf(model)],
    ['memory', formatBytes(model.footprintBytes)],
    ['digest', model.digest],
    ['added', new Date(model.addedWallMs).toISOString()],
    ['files', `${count(model.files.length, 'file')}, ${formatBytes(packageBytes(model))}`],
  ];
  const { description, traits } = model.manifest;
  if (traits !== undefined) facts.splice(4, 0, ...formatTraits(traits));
  if (description !== undefined) facts.splice(1, 0, ['about', description]);
  const head = facts.map(([name, value]) => `${style.dim(name.padEnd(8))} ${value}`);
  const files = formatTable(
    [
      { title: 'FILE', cell: (file) => file.path },
      { title: 'SIZE', align: 'right', cell: (file) => formatBytes(file.bytes) },
      { title: 'SHA256', cell: (file) => file.sha256.slice(0, 12) },
    ],
    model.files,
    style,
  );
  return `${head.join('\n')}\n\n${files}`;
}

function formatTraits({ rows, weightBits, kv }: ModelTraits): [string, string][] {
  const effect = rows === 'dependent' ? 'they change each other, so they run one at a time' : '';
  return [
    ['rows', effect === '' ? rows : `${rows}: ${effect}`],
    ['weights', `${weightBits} bits`],
    ...(kv === undefined ? [] : [['kv', formatKv(kv)] as [string, string]]),
  ];
}

function formatKv({ type, isShared }: NonNullable<ModelTraits['kv']>): string {
  const layout = isShared ? 'past and present in one buffer' : 'past and present concatenated';
  return `${type}, ${layout}`;
}

function readsOf(model: ModelRegistration): string {
  const { maxTokens } = model.manifest;
  return maxTokens === undefined ? 'tensors' : `${maxTokens} tokens`;
}

function packageBytes(model: ModelRegistration): number {
  return model.files.reduce((sum, file) => sum + file.bytes, 0);
}

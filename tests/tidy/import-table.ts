/**
 * Who may import whom (STYLE: imports point inward). An area is a set of files; it may import from
 * itself and from the areas listed, and from outside only what `outside` names.
 *
 * Add a new folder here first. The first area whose pattern matches a file owns it.
 */
export interface Area {
  readonly name: string;
  /** Matched against the path relative to the repository, without `.ts`. */
  readonly files: RegExp;
  readonly mayImport: readonly string[];
  /** npm packages and node: modules; `any` at the edge. */
  readonly outside: 'any' | readonly string[];
}

const NOTHING: readonly string[] = [];

const base: readonly Area[] = [
  {
    name: 'base/adapters',
    files: /^packages\/base\/src\/adapters\//,
    mayImport: ['base'],
    outside: 'any',
  },
  {
    name: 'base/index',
    files: /^packages\/base\/src\/(index|testing)$/,
    mayImport: ['base', 'base/adapters'],
    outside: NOTHING,
  },
  { name: 'base', files: /^packages\/base\/src\//, mayImport: [], outside: NOTHING },
];

const wire: readonly Area[] = [
  {
    name: 'wire',
    files: /^packages\/wire\/src\//,
    mayImport: ['base', 'proto'],
    outside: ['nats'],
  },
];

/** Packages that one area alone may import, tests beside the sources included. */
export const DOORS: readonly { readonly outside: string; readonly area: string }[] = [
  { outside: 'nats', area: 'wire' },
];

const KERNEL_CONCEPTS = [
  'lives',
  ...['memory', 'nodes', 'tasks', 'processes', 'placement', 'scheduling'],
];
const kernelArea = (name: string): string => `kernel/${name}`;

const kernel: readonly Area[] = [
  {
    name: 'kernel/limits',
    files: /^packages\/kernel\/src\/limits$/,
    mayImport: ['base'],
    outside: NOTHING,
  },
  // What becomes of tasks, processes and nodes: these change the whole state, and stand in the rooms
  // of their nouns beside the tables, which know nothing but themselves.
  {
    name: 'kernel/lives',
    files:
      /^packages\/kernel\/src\/(tasks\/(admission|attempts|cancel-walks|cancellation|costs|queueing|stored-answers|task-(alarms|end|moves|status))|processes\/(desired-state|obedience|process-(alarms|life)|reconciliation)|nodes\/node-life)$/,
    mayImport: [
      'base',
      'kernel/limits',
      'kernel/core',
      ...['memory', 'nodes', 'processes', 'tasks', 'placement', 'scheduling'].map(kernelArea),
    ],
    outside: NOTHING,
  },
  ...concept('kernel', 'memory', ['base', 'kernel/limits']),
  ...concept('kernel', 'tasks', ['base', 'kernel/limits']),
  ...concept('kernel', 'nodes', ['base', 'kernel/limits', 'kernel/memory']),
  ...concept('kernel', 'processes', ['base', 'kernel/limits', 'kernel/memory', 'kernel/tasks']),
  ...concept('kernel', 'placement', [
    'base',
    'kernel/limits',
    'kernel/memory',
    'kernel/nodes',
    'kernel/processes',
  ]),
  ...concept('kernel', 'scheduling', [
    'base',
    'kernel/limits',
    'kernel/core',
    ...['lives', 'memory', 'nodes', 'processes', 'tasks', 'placement'].map(kernelArea),
  ]),
  ...concept('kernel', 'ports', ['base', 'kernel/core', 'kernel/tasks', 'kernel/nodes']),
  {
    name: 'kernel/adapters',
    files: /^packages\/kernel\/src\/adapters\//,
    mayImport: [
      'kernel/limits',
      'base',
      'proto',
      'wire',
      'kernel/core',
      'kernel/edge',
      'kernel/ports',
      ...KERNEL_CONCEPTS.map(kernelArea),
    ],
    outside: 'any',
  },
  {
    name: 'kernel/root',
    files: /^packages\/kernel\/src\/(kernel|main|index|testing|config)$/,
    mayImport: [
      'kernel/limits',
      'base',
      'wire',
      'kernel/core',
      'kernel/edge',
      'kernel/ports',
      'kernel/adapters',
      ...KERNEL_CONCEPTS.map(kernelArea),
    ],
    outside: 'any',
  },
  {
    name: 'kernel/core',
    files:
      /^packages\/kernel\/src\/(core|core-options|apply-event|kernel-(event|decision|fact|state|invariants))$/,
    mayImport: ['kernel/limits', 'base', ...KERNEL_CONCEPTS.map(kernelArea)],
    outside: NOTHING,
  },
  {
    name: 'kernel/edge',
    files: /^packages\/kernel\/src\//,
    mayImport: [
      'kernel/limits',
      'base',
      'kernel/core',
      'kernel/ports',
      ...KERNEL_CONCEPTS.map(kernelArea),
    ],
    outside: NOTHING,
  },
];

const processPackage: readonly Area[] = [
  {
    name: 'process/adapters',
    files: /^packages\/process\/src\/adapters\//,
    mayImport: ['base', 'proto', 'wire', 'process'],
    outside: 'any',
  },
  {
    name: 'process/root',
    files: /^packages\/process\/src\/(index|run-process|testing)$/,
    mayImport: ['base', 'wire', 'process', 'process/adapters'],
    outside: NOTHING,
  },
  { name: 'process', files: /^packages\/process\/src\//, mayImport: ['base'], outside: NOTHING },
];

const onnx: readonly Area[] = [
  {
    name: 'onnx',
    files: /^packages\/onnx\/src\//,
    mayImport: ['base', 'proto'],
    outside: ['node:fs', 'node:path', '@bufbuild/protobuf/wire'],
  },
];

const worker: readonly Area[] = [
  {
    name: 'worker/actor-thread',
    files: /^packages\/worker\/src\/actors\/(actor-thread|load-model)$/,
    mayImport: [
      'base',
      'worker/actors',
      'worker/engine',
      'worker/models',
      'worker/ports',
      'worker/limits',
      'worker/adapters',
    ],
    outside: ['node:worker_threads'],
  },
  {
    name: 'worker/actors',
    files: /^packages\/worker\/src\/actors\//,
    mayImport: ['base', 'worker/models', 'worker/ports', 'worker/limits'],
    outside: ['node:worker_threads', 'node:path'],
  },
  {
    name: 'worker/agent',
    files: /^packages\/worker\/src\/agent\//,
    mayImport: [
      'base',
      'process',
      'worker/actors',
      'worker/models',
      'worker/ports',
      'worker/limits',
    ],
    outside: ['node:child_process', 'node:path'],
  },
  {
    name: 'worker/engine',
    files: /^packages\/worker\/src\/engine\//,
    mayImport: ['base', 'worker/actors', 'worker/models', 'worker/ports', 'worker/limits'],
    outside: NOTHING,
  },
  {
    name: 'worker/models',
    files: /^packages\/worker\/src\/models\//,
    mayImport: ['base', 'worker/ports', 'worker/limits'],
    outside: NOTHING,
  },
  {
    name: 'worker/ports',
    files: /^packages\/worker\/src\/ports\//,
    mayImport: ['base', 'worker/actors', 'worker/models'],
    outside: NOTHING,
  },
  {
    name: 'worker/host',
    files:
      /^packages\/worker\/src\/host\/(batch-(dispatcher|policy)|generate-dispatcher|host-(growth|meter|shape)|lost-thread|thread-request)$/,
    mayImport: [
      'base',
      'process',
      'process/root',
      'worker/actors',
      'worker/engine',
      'worker/models',
      'worker/ports',
      'worker/limits',
    ],
    outside: NOTHING,
  },
  {
    name: 'worker/limits',
    files: /^packages\/worker\/src\/limits$/,
    mayImport: ['base'],
    outside: NOTHING,
  },
  {
    name: 'worker/adapters',
    files: /^packages\/worker\/src\/adapters\//,
    mayImport: [
      'base',
      'wire',
      'onnx',
      'proto',
      'process',
      'worker/actors',
      'worker/agent',
      'worker/engine',
      'worker/models',
      'worker/ports',
      'worker/limits',
    ],
    outside: 'any',
  },
  {
    name: 'worker/root',
    files: /^packages\/worker\/src\//,
    mayImport: [
      'base',
      'wire',
      'onnx',
      'process',
      'process/root',
      'worker/actors',
      'worker/actor-thread',
      'worker/agent',
      'worker/engine',
      'worker/host',
      'worker/models',
      'worker/ports',
      'worker/limits',
      'worker/adapters',
    ],
    outside: 'any',
  },
];

const sdk: readonly Area[] = [
  {
    name: 'sdk/adapters',
    files: /^packages\/sdk\/src\/adapters\//,
    mayImport: ['base', 'wire', 'sdk'],
    outside: 'any',
  },
  {
    name: 'sdk/root',
    files: /^packages\/sdk\/src\/(client|index|testing)$/,
    mayImport: ['base', 'process', 'process/root', 'sdk', 'sdk/adapters'],
    outside: ['node:crypto'],
  },
  { name: 'sdk', files: /^packages\/sdk\/src\//, mayImport: ['base'], outside: NOTHING },
];

const local: readonly Area[] = [
  {
    name: 'local/adapters',
    files: /^packages\/local\/src\/adapters\//,
    mayImport: ['base', 'local', 'sdk/root', 'kernel/root', 'worker/root'],
    outside: 'any',
  },
  {
    name: 'local/root',
    files: /^packages\/local\/src\/(index|system|stopped-system)$/,
    mayImport: ['base', 'local', 'local/adapters', 'sdk/root', 'worker/root'],
    outside: 'any',
  },
  {
    name: 'local',
    files: /^packages\/local\/src\//,
    mayImport: ['base', 'sdk/root', 'worker/root'],
    outside: NOTHING,
  },
];

const cli: readonly Area[] = [
  {
    name: 'cli',
    files: /^packages\/cli\/src\//,
    mayImport: ['base', 'wire', 'local/root', 'sdk/root', 'worker/root'],
    outside: 'any',
  },
];

export const AREAS: readonly Area[] = [
  { name: 'proto', files: /^proto\/gen\//, mayImport: [], outside: 'any' },
  ...base,
  ...wire,
  ...kernel,
  ...processPackage,
  ...onnx,
  ...worker,
  ...sdk,
  ...local,
  ...cli,
];

/** A folder of pure decisions: nothing from outside, not even types. */
function concept(
  packageName: string,
  folder: string,
  mayImport: readonly string[],
): readonly Area[] {
  const files = new RegExp(`^packages/${packageName}/src/${folder}/`);
  return [{ name: `${packageName}/${folder}`, files, mayImport, outside: NOTHING }];
}

/** Of packages with more than one entry, beside `testing`: the service of node agents loads gRPC. */
export const MORE_ENTRIES: readonly string[] = ['@llmos/proto/node'];

/** The area that stands for a whole package where another one imports it. */
export function entryOf(packageName: string): string {
  return packageName === 'proto' ? 'proto' : (ENTRIES[packageName] ?? packageName);
}

const ENTRIES: Readonly<Record<string, string>> = {
  base: 'base',
  wire: 'wire',
  process: 'process/root',
  kernel: 'kernel/root',
  worker: 'worker/root',
  sdk: 'sdk/root',
  local: 'local/root',
  cli: 'cli',
};

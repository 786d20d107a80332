/** Schemas of system calls, and of the rows that people may have written into buckets. */
import type {
  FunctionDefinition,
  FunctionTraits,
  JsonSchema,
  SchemaCheck,
  SystemCallName,
} from '@llmos/base';
import {
  MODEL_TASKS,
  NO_TRAITS,
  compileSchemaCheck,
  errorBody,
  isModelName,
  isModelVersion,
  isRecord,
  quoteShort,
} from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';

const TOKEN: JsonSchema = { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$' };
const SHA256: JsonSchema = { type: 'string', pattern: '^[0-9a-f]{64}$' };
const TEXT: JsonSchema = { type: 'string', maxLength: 4_096 };
const COUNT: JsonSchema = { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER };
const MODEL: JsonSchema = { type: 'string', minLength: 1, maxLength: 129 };

function object(
  properties: Readonly<Record<string, JsonSchema>>,
  required: readonly string[] = Object.keys(properties),
): JsonSchema {
  return { type: 'object', properties, required, additionalProperties: false };
}

const PATH: JsonSchema = { type: 'string', minLength: 1, maxLength: 512 };
const FILE = object({ path: PATH, sha256: SHA256, bytes: COUNT });
const STATE_PAIR = object({
  input: TEXT,
  output: TEXT,
  dims: { type: 'array', items: COUNT, maxItems: 16 },
  type: TEXT,
});
/** Newer packages may say more about themselves than this kernel knows. */
const MANIFEST: JsonSchema = {
  type: 'object',
  required: ['task', 'graph'],
  additionalProperties: true,
  maxProperties: 64,
  properties: {
    task: { type: 'string', enum: MODEL_TASKS },
    graph: PATH,
    maxTokens: { type: 'integer', minimum: 1 },
    pooling: { type: 'string', enum: ['mean', 'cls', 'none'] },
    normalize: { type: 'boolean' },
    state: { type: 'array', items: STATE_PAIR, maxItems: 64 },
    threads: { type: 'integer', minimum: 1, maximum: 1_024 },
    sharedPrefixes: { type: 'boolean' },
    sharedWeights: { type: 'boolean' },
    description: TEXT,
  },
};

const MODEL_FIELDS = {
  name: { type: 'string', minLength: 1, maxLength: 64 },
  version: TOKEN,
  digest: SHA256,
  files: { type: 'array', items: FILE, minItems: 1, maxItems: EDGE_LIMITS.maxPackageFiles },
  manifest: MANIFEST,
  footprintBytes: { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER },
  addedWallMs: COUNT,
} as const satisfies Record<string, JsonSchema>;

const ADDED_FIELDS = ['name', 'digest', 'files', 'manifest', 'footprintBytes'] as const;
const { addedWallMs: _stamped, ...REQUEST_FIELDS } = MODEL_FIELDS;

const SPAWN = object({
  model: MODEL,
  replicas: { type: 'integer', minimum: 0, maximum: EDGE_LIMITS.maxReplicasPerModel },
});

const NOTHING = object({});
const PAGE = {
  pageSize: { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER },
  pageToken: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,1024}$' },
} as const satisfies Record<string, JsonSchema>;
const LIST = object(PAGE, []);

const CALL_SCHEMAS: Readonly<Record<SystemCallName, JsonSchema>> = {
  ps: LIST,
  nodes: LIST,
  models: LIST,
  functions: LIST,
  info: NOTHING,
  limits: NOTHING,
  status: object({ task: TOKEN }),
  attach: object({ task: TOKEN, client: TOKEN, fromIndex: COUNT }, ['task', 'client']),
  spawn: SPAWN,
  kill: object({ pid: TOKEN }),
  'model-add': object(REQUEST_FIELDS, ADDED_FIELDS),
  'model-remove': object({ model: MODEL, ...PAGE }, ['model']),
};

/** One check for each system call. */
export const SYSTEM_CALL_CHECKS: ReadonlyMap<string, SchemaCheck> = new Map(
  Object.entries(CALL_SCHEMAS).map(([call, schema]) => {
    const check = compileSchemaCheck(schema, `request of ${call}`);
    return [call, call === 'model-add' ? withPackageRules(check) : check];
  }),
);

export function isSystemCall(call: string): call is SystemCallName {
  return SYSTEM_CALL_CHECKS.has(call);
}

export const checkModelRegistration: SchemaCheck = withPackageRules(
  compileSchemaCheck(object(MODEL_FIELDS), 'model'),
);

const TRAIT: JsonSchema = { type: 'boolean' };
const FUNCTION_FIELDS = {
  name: TOKEN,
  description: TEXT,
  input: { type: 'object' },
  output: { type: 'object' },
  runs: { type: 'string', enum: ['model', 'program'] },
} as const satisfies Record<string, JsonSchema>;
/** A trait that is left out is none. */
const TRAITS = object(
  Object.fromEntries(Object.keys(NO_TRAITS).map((trait) => [trait, TRAIT])),
  [],
);
const FUNCTION = object({ ...FUNCTION_FIELDS, traits: TRAITS }, Object.keys(FUNCTION_FIELDS));
const checkFunctionFields = compileSchemaCheck(FUNCTION, 'function');

/** The row of a function, in which traits may be left out. */
export const checkFunctionDefinition: SchemaCheck = (value) => {
  const refusal = checkFunctionFields(value);
  if (refusal !== undefined) return refusal;
  const { name, traits = {} } = value as FunctionRow;
  if (traits.preemptible !== true || traits.resumable === true) return undefined;
  return invalid(`function ${quoteShort(name)} is preemptible: it must be resumable too`);
};

export type FunctionRow = Omit<FunctionDefinition, 'traits'> & {
  readonly traits?: Partial<FunctionTraits>;
};

export function definitionOf(row: FunctionRow): FunctionDefinition {
  return { ...row, traits: { ...NO_TRAITS, ...row.traits } };
}

export const checkSpawnRequest: SchemaCheck = compileSchemaCheck(SPAWN, 'desired processes');

/** What a schema can't say: names, and paths that stay inside the package. */
function withPackageRules(check: SchemaCheck): SchemaCheck {
  return (value) => {
    const refusal = check(value);
    if (refusal !== undefined || !isRecord(value)) return refusal;
    const { name, version, files } = value;
    if (!isModelName(name)) return invalid(`model name ${quoteShort(name)} is not NAME`);
    if (version !== undefined && !isModelVersion(version)) {
      return invalid(`model version ${quoteShort(version)} must match [A-Za-z0-9_-]{1,64}`);
    }
    const paths = (files as readonly { path: string }[]).map((file) => file.path);
    const escaping = paths.find((path) => !isInside(path));
    if (escaping !== undefined) {
      return invalid(`file ${quoteShort(escaping)} must be relative, with / and without ..`);
    }
    return new Set(paths).size === paths.length ? undefined : invalid('a file is listed twice');
  };
}

function isInside(path: string): boolean {
  if (path.includes('\\') || path.includes('\0')) return false;
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

function invalid(message: string) {
  return errorBody('INVALID_ARGUMENT', message);
}

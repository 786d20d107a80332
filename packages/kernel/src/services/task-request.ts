/** Checks a `submit` or `call` before it becomes a task. Pure. */
import type {
  BodyFormat,
  ErrorBody,
  FunctionDefinition,
  SchemaCheck,
  TaskClass,
  TaskIdentity,
  TaskTerms,
  TenantFunction,
} from '@llmos/base';
import { WIRE_LIMITS, errorBody, quoteShort } from '@llmos/base';
import type { AskedTask, RequestReading } from '../ports/request-link';
import type { ProtobufBodyReader } from './task-body';
import { readTaskBody } from './task-body';
import { checkBodySize, checkOwnId, digestOf } from './task-intake';

export interface TaskRequestContext {
  readonly functionOf: (name: string) => FunctionDefinition | undefined;
  readonly inputCheckOf: (name: string) => SchemaCheck | undefined;
  readonly functionNames: () => readonly string[];
  readonly readProtobuf: ProtobufBodyReader;
  readonly maxBodyBytes: () => number;
}

export interface TaskRequest {
  readonly of: TenantFunction;
  readonly terms: TaskTerms;
  readonly class: TaskClass;
  readonly body: Uint8Array;
  /** What its id stands for; undefined where the client chose none. */
  readonly identity?: TaskIdentity;
}

export type TaskRequestOutcome =
  | { readonly kind: 'accepted'; readonly request: TaskRequest }
  | { readonly kind: 'refused'; readonly error: ErrorBody; readonly format: BodyFormat };

/** For a task that does not say its own. */
export type DefaultClass = Extract<TaskClass, 'interactive' | 'standard'>;

export function checkTaskRequest(
  reading: RequestReading<AskedTask>,
  defaultClass: DefaultClass,
  context: TaskRequestContext,
): TaskRequestOutcome {
  if (reading.kind === 'invalid') return { ...reading, kind: 'refused' };
  const { principal, function: name, terms, body } = reading.asked;
  const error =
    (terms.id === undefined ? undefined : checkOwnId(terms.id)) ??
    checkBodySize(body.length, context.maxBodyBytes()) ??
    checkInput(reading.asked, context);
  if (error !== undefined) return { kind: 'refused', error, format: terms.format };
  const request: TaskRequest = {
    of: { tenant: principal.tenant, function: name },
    terms,
    class: terms.class ?? defaultClass,
    body,
    ...(terms.id === undefined
      ? {}
      : { identity: { function: name, digest: digestOf(terms, body) } }),
  };
  return { kind: 'accepted', request };
}

function checkInput(asked: AskedTask, context: TaskRequestContext): ErrorBody | undefined {
  const { function: name, terms, body } = asked;
  const definition = context.functionOf(name);
  if (definition === undefined) {
    const known = context.functionNames().slice(0, 20).join(', ');
    return errorBody('NOT_FOUND', `no function ${quoteShort(name)}; there are ${known}`);
  }
  const reading = readTaskBody(
    {
      function: definition,
      format: terms.format,
      body,
      ...(terms.model === undefined ? {} : { model: terms.model }),
      ...(terms.key === undefined ? {} : { key: terms.key }),
    },
    context.readProtobuf,
  );
  if (reading.kind === 'invalid') return reading.error;
  const isParsed = terms.format === 'json' && body.length <= WIRE_LIMITS.kernelParseBytes;
  return isParsed ? context.inputCheckOf(name)?.(reading.fields.value) : undefined;
}

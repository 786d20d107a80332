/**
 * Checks a `submit` or `call` before it becomes a task. Pure.
 *
 * Only headers of the protocol are forwarded: a foreign `Nats-…` header would steer JetStream.
 */
import type {
  BodyFormat,
  ErrorBody,
  FunctionDefinition,
  HeaderSource,
  SchemaCheck,
  TaskClass,
  TaskHeaders,
  TaskIdentity,
  TenantFunction,
} from '@llmos/base';
import {
  errorBody,
  FORWARDED_HEADERS,
  HEADERS,
  JSON_CONTENT_TYPE,
  PROTOBUF_CONTENT_TYPE,
  parseTenantFunction,
  quoteShort,
  readTaskHeaders,
  WIRE_LIMITS,
} from '@llmos/base';
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
  readonly headers: TaskHeaders;
  readonly class: TaskClass;
  readonly forwarded: Map<string, string>;
  readonly body: Uint8Array;
  /** What its id stands for; undefined where the client chose none. */
  readonly identity?: TaskIdentity;
}

export type TaskRequestOutcome =
  | { readonly kind: 'accepted'; readonly request: TaskRequest }
  | { readonly kind: 'refused'; readonly error: ErrorBody; readonly format: BodyFormat };

export interface ForeignTaskRequest {
  readonly kind: 'submit' | 'call';
  readonly subject: string;
  readonly header: HeaderSource;
  readonly body: Uint8Array;
}

const CONTENT_TYPES: Readonly<Record<BodyFormat, string>> = {
  json: JSON_CONTENT_TYPE,
  protobuf: PROTOBUF_CONTENT_TYPE,
};

const DEFAULT_CLASS: Readonly<Record<ForeignTaskRequest['kind'], TaskClass>> = {
  call: 'interactive',
  submit: 'standard',
};

export function readTaskRequest(
  foreign: ForeignTaskRequest,
  context: TaskRequestContext,
): TaskRequestOutcome {
  const of = parseTenantFunction(foreign.kind, foreign.subject);
  if (of === undefined) {
    const rule = 'tenant and function must match [A-Za-z0-9_-]{1,64}';
    const message = `subject ${quoteShort(foreign.subject)}: ${rule}`;
    return refuse(errorBody('INVALID_ARGUMENT', message), 'json');
  }
  const reading = readTaskHeaders(foreign.header);
  if (reading.kind === 'invalid') return refuse(reading.error, reading.format);
  const { headers } = reading;
  const error =
    (headers.id === undefined ? undefined : checkOwnId(headers.id)) ??
    checkBodySize(foreign.body.length, context.maxBodyBytes()) ??
    checkInput({ name: of.function, headers, body: foreign.body }, context);
  if (error !== undefined) return refuse(error, headers.format);
  const request: TaskRequest = {
    of,
    headers,
    class: headers.class ?? DEFAULT_CLASS[foreign.kind],
    forwarded: forwardedHeaders(foreign.header, headers),
    body: foreign.body,
    ...(headers.id === undefined
      ? {}
      : { identity: { function: of.function, digest: digestOf(headers, foreign.body) } }),
  };
  return { kind: 'accepted', request };
}

function checkInput(
  of: { readonly name: string; readonly headers: TaskHeaders; readonly body: Uint8Array },
  context: TaskRequestContext,
): ErrorBody | undefined {
  const definition = context.functionOf(of.name);
  if (definition === undefined) {
    const known = context.functionNames().slice(0, 20).join(', ');
    return errorBody('NOT_FOUND', `no function ${quoteShort(of.name)}; there are ${known}`);
  }
  const { headers, body } = of;
  const reading = readTaskBody(
    {
      function: definition,
      format: headers.format,
      body,
      ...(headers.model === undefined ? {} : { model: headers.model }),
      ...(headers.key === undefined ? {} : { key: headers.key }),
    },
    context.readProtobuf,
  );
  if (reading.kind === 'invalid') return reading.error;
  const isParsed = headers.format === 'json' && body.length <= WIRE_LIMITS.kernelParseBytes;
  return isParsed ? context.inputCheckOf(of.name)?.(reading.fields.value) : undefined;
}

/** As they were sent, where reading has bounded them; else as they were read. */
function forwardedHeaders(header: HeaderSource, read: TaskHeaders): Map<string, string> {
  const forwarded = new Map<string, string>();
  for (const name of [HEADERS.id, HEADERS.isIdNew, HEADERS.caller, ...FORWARDED_HEADERS]) {
    const value = header(name)?.trim();
    if (value !== undefined && value !== '') forwarded.set(name, value);
  }
  if (read.traceparent === undefined) forwarded.delete(HEADERS.traceparent);
  // `application/json; …` may go on for as long as headers may.
  if (forwarded.has(HEADERS.contentType)) {
    forwarded.set(HEADERS.contentType, CONTENT_TYPES[read.format]);
  }
  return forwarded;
}

function refuse(error: ErrorBody, format: BodyFormat): TaskRequestOutcome {
  return { kind: 'refused', error, format };
}

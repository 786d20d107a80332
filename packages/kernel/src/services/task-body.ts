/**
 * Reads what the kernel needs of a task's body: the model and the key. Pure.
 *
 * At most WIRE_LIMITS.kernelParseBytes are parsed; a larger body names its model in a header.
 * The rest of the body is judged where it runs (and by `submit` and `call`, if it is small).
 */
import type { BodyFormat, ErrorBody, FunctionDefinition, ModelRef, TaskKey } from '@llmos/base';
import {
  HEADERS,
  WIRE_LIMITS,
  decodeJson,
  errorBody,
  formatModelRef,
  isRecord,
  parseModelRef,
  quoteShort,
  tryToken,
} from '@llmos/base';

export interface ForeignBody {
  readonly function: FunctionDefinition;
  readonly format: BodyFormat;
  readonly body: Uint8Array;
  /** From Llmos-Model. */
  readonly model?: ModelRef;
  /** From Llmos-Key. */
  readonly key?: TaskKey;
}

export interface BodyFields {
  readonly model?: ModelRef;
  readonly key?: TaskKey;
  /** The parsed JSON; absent for protobuf and for bodies that are too large to parse here. */
  readonly value?: unknown;
}

export type BodyReading =
  | { readonly kind: 'read'; readonly fields: BodyFields }
  | { readonly kind: 'invalid'; readonly error: ErrorBody };

/** The model and key fields of a protobuf body; throws on bytes that are not that message. */
export type ProtobufBodyReader = (
  functionName: string,
  body: Uint8Array,
) => { readonly model?: string; readonly key?: string };

export function readTaskBody(foreign: ForeignBody, readProtobuf: ProtobufBodyReader): BodyReading {
  const { function: definition, format, body } = foreign;
  if (body.length > WIRE_LIMITS.kernelParseBytes) return judgeLarge(foreign);
  let value: unknown;
  try {
    value = format === 'json' ? decodeJson(body) : readProtobuf(definition.name, body);
  } catch {
    return invalid(describeUnreadable(foreign));
  }
  const fields = definition.runs === 'model' && isRecord(value) ? value : {};
  const model = mergeModel(foreign.model, fields['model']);
  if (model.kind === 'invalid') return model;
  const key = mergeKey(foreign.key, hasKeyField(definition) ? fields['key'] : undefined);
  if (key.kind === 'invalid') return key;
  return {
    kind: 'read',
    fields: { ...model.fields, ...key.fields, ...(format === 'json' ? { value } : {}) },
  };
}

function judgeLarge(foreign: ForeignBody): BodyReading {
  const { function: definition, body, model, key } = foreign;
  if (definition.runs === 'model' && model === undefined) {
    return invalid(
      `a body of ${body.length} bytes must name its model in the header ${HEADERS.model}: ` +
        `the kernel reads at most ${WIRE_LIMITS.kernelParseBytes} bytes`,
    );
  }
  return {
    kind: 'read',
    fields: { ...(model === undefined ? {} : { model }), ...(key === undefined ? {} : { key }) },
  };
}

function describeUnreadable(foreign: ForeignBody): string {
  const { function: definition, format, body } = foreign;
  if (format === 'protobuf') return `the body is not a protobuf input of ${definition.name}`;
  if (body.length === 0) return 'the body is empty; it must be JSON';
  const start = new TextDecoder().decode(body.subarray(0, WIRE_LIMITS.maxQuotedChars));
  return `the body is not JSON: ${quoteShort(start)}`;
}

function hasKeyField(definition: FunctionDefinition): boolean {
  return definition.input.properties?.['key'] !== undefined;
}

function mergeModel(header: ModelRef | undefined, field: unknown): BodyReading {
  if (field === undefined || field === '')
    return read(header === undefined ? {} : { model: header });
  const named = parseModelRef(field);
  if (named === undefined) {
    return invalid(`field model is ${quoteShort(field)}: it must be NAME or NAME@VERSION`);
  }
  if (header === undefined) return read({ model: named });
  const isSameName = header.name === named.name;
  const isSameVersion =
    header.version === undefined || named.version === undefined || header.version === named.version;
  if (isSameName && isSameVersion) {
    return read({ model: header.version === undefined ? named : header });
  }
  return invalid(
    `header ${HEADERS.model} names ${quoteShort(formatModelRef(header))}, ` +
      `the body ${quoteShort(formatModelRef(named))}`,
  );
}

function mergeKey(header: TaskKey | undefined, field: unknown): BodyReading {
  if (field === undefined || field === '') return read(header === undefined ? {} : { key: header });
  const named = tryToken<TaskKey>(field);
  if (named === undefined) {
    return invalid(`field key is ${quoteShort(field)}: it must match [A-Za-z0-9_-]{1,64}`);
  }
  if (header === undefined || header === named) return read({ key: named });
  return invalid(
    `header ${HEADERS.key} is ${quoteShort(header)}, the body says ${quoteShort(named)}`,
  );
}

function read(fields: BodyFields): BodyReading {
  return { kind: 'read', fields };
}

function invalid(message: string): BodyReading {
  return { kind: 'invalid', error: errorBody('INVALID_ARGUMENT', message) };
}

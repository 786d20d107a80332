/** Checks values against JSON Schemas; an answer names the place and the offending value. */
import { Ajv } from 'ajv';
import type { ErrorObject, ValidateFunction } from 'ajv';
import type { ErrorBody } from '../../errors';
import { errorBody } from '../../errors';
import { quoteShort } from '../../ids';
import { isRecord } from '../../result';
import type { JsonSchema } from '../../functions/json-schema';

export type SchemaCheck = (value: unknown) => ErrorBody | undefined;

/** Compiles a schema once. @param what names the value in messages, such as `input of embed`. */
export function compileSchemaCheck(schema: JsonSchema, what: string): SchemaCheck {
  const ajv = new Ajv({ allErrors: false, strict: false, verbose: true, ownProperties: true });
  const validate: ValidateFunction = ajv.compile(schema);
  return (value) => {
    if (schema.type === 'object' && !isRecord(value)) {
      return errorBody('INVALID_ARGUMENT', `${what}: must be an object, not ${quoteShort(value)}`);
    }
    if (validate(value)) return undefined;
    return errorBody('INVALID_ARGUMENT', `${what}: ${describe(validate.errors ?? [])}`);
  };
}

/** Ajv lists the failures inside the branches of a choice before the choice itself. */
function describe(errors: readonly ErrorObject[]): string {
  const choice = errors.find((error) => error.keyword === 'oneOf' || error.keyword === 'anyOf');
  const error = choice ?? errors[0];
  if (error === undefined) return 'is not valid';
  const place = error.instancePath === '' ? '' : `${error.instancePath.slice(1)} `;
  return `${place}${describeRule(error)}`;
}

function describeRule(error: ErrorObject): string {
  const params = error.params as Readonly<Record<string, unknown>>;
  switch (error.keyword) {
    case 'additionalProperties':
      return `unknown field ${quoteShort(params['additionalProperty'])}`;
    case 'required':
      return `needs the field ${quoteShort(params['missingProperty'])}`;
    case 'enum':
      return `must be one of ${String(params['allowedValues'])}, not ${quoteShort(error.data)}`;
    case 'oneOf':
    case 'anyOf':
      return describeChoice(error);
    default:
      return `${error.message ?? 'is not valid'}, not ${quoteShort(error.data)}`;
  }
}

function describeChoice(error: ErrorObject): string {
  const schema = error.parentSchema as JsonSchema | undefined;
  const names = schema?.oneOf?.flatMap((branch) => branch.required ?? []) ?? [];
  if (names.length > 0 && isRecord(error.data)) {
    const given = Object.keys(error.data).map((name) => name.slice(0, 40));
    const has = given.length === 0 ? 'no field' : given.slice(0, 20).join(', ');
    return `needs exactly one of ${names.join(', ')}; it has ${has}`;
  }
  const types = [...(schema?.anyOf ?? []), ...(schema?.oneOf ?? [])].map((branch) => branch.type);
  return `must be a valid ${types.join(' or ')}, not ${quoteShort(error.data)}`;
}

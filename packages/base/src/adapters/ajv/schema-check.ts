/** Checks values against JSON Schemas; an answer names the place and the offending value. */
import { Ajv } from 'ajv';
import type { ErrorObject, ValidateFunction } from 'ajv';
import type { ErrorBody } from '../../errors';
import { errorBody } from '../../errors';
import { quoteShort } from '../../ids';
import type { JsonSchema } from '../../functions/json-schema';

export type SchemaCheck = (value: unknown) => ErrorBody | undefined;

/** Compiles a schema once. @param what names the value in messages, such as `input of embed`. */
export function compileSchemaCheck(schema: JsonSchema, what: string): SchemaCheck {
  const ajv = new Ajv({ allErrors: false, strict: false, verbose: true, ownProperties: true });
  const validate: ValidateFunction = ajv.compile(schema);
  return (value) => {
    if (validate(value)) return undefined;
    const [first] = validate.errors ?? [];
    return errorBody('INVALID_ARGUMENT', `${what}: ${describe(first, value)}`);
  };
}

function describe(error: ErrorObject | undefined, value: unknown): string {
  if (error === undefined) return 'is not valid';
  const place = error.instancePath === '' ? '' : `${error.instancePath.slice(1)} `;
  if (error.keyword === 'additionalProperties') {
    const name = (error.params as { additionalProperty: string }).additionalProperty;
    return `${place}unknown field ${quoteShort(name)}`;
  }
  if (error.keyword === 'oneOf' || error.keyword === 'required') {
    return describeRequired(error, place, value);
  }
  const allowed = (error.params as { allowedValues?: unknown[] }).allowedValues;
  const rule = allowed === undefined ? error.message : `must be one of ${allowed.join(', ')}`;
  return `${place}${rule ?? 'is not valid'}, not ${quoteShort(error.data)}`;
}

function describeRequired(error: ErrorObject, place: string, value: unknown): string {
  const branches = (error.parentSchema as JsonSchema | undefined)?.oneOf;
  const names = branches?.flatMap((branch) => branch.required ?? []);
  const isNested = error.schemaPath.includes('/oneOf/');
  if (names !== undefined || isNested) {
    const given = Object.keys((value ?? {}) as object);
    const choice = names ?? [(error.params as { missingProperty: string }).missingProperty];
    return `${place}needs exactly one of ${choice.join(', ')}; it has ${given.join(', ') || 'no field'}`;
  }
  const missing = (error.params as { missingProperty: string }).missingProperty;
  return `${place}needs the field ${quoteShort(missing)}`;
}

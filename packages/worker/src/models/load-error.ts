/**
 * Why a load failed, and whether another try may help. The kernel avoids this node for the model: a
 * moment where it may, for long where it can't, and once every node says *never*, what waits ends.
 * So only what lies in the package itself is final; what lies in the machine (its memory, its disk,
 * its network) is not.
 */
import type { ErrorBody, ErrorCode } from '@llmos/base';
import { errorBody, toErrorBody } from '@llmos/base';

/** As Node, V8, the C++ library, ONNX Runtime, Dawn and the systems of machines put it. */
const SHORT_OF_MEMORY =
  /bad_alloc|Failed to allocate|allocation failed|out of memory|OutOfMemory|not enough memory|cannot allocate|OUT_OF_MEMORY/i;
/** Of the system of the machine (`ENOSPC`), and of the NATS client. */
const SYSTEM_CODE = /^E[A-Z0-9]{2,}$/;
const MAX_CAUSES = 8;
/** A password that changes, a store that is slow, a stop: none is about the package. */
const OF_SURROUNDINGS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'UNAUTHENTICATED',
  'PERMISSION_DENIED',
  'DEADLINE_EXCEEDED',
  'CANCELLED',
]);

export function loadError(thrown: unknown): ErrorBody {
  const body = toErrorBody(thrown);
  if (body.retryable) return body;
  if (OF_SURROUNDINGS.has(body.code)) return { ...body, retryable: true };
  const chain = [...causesOf(thrown)];
  const options = { ...(body.details === undefined ? {} : { details: body.details }) };
  if (chain.some(isShortage)) {
    return errorBody('RESOURCE_EXHAUSTED', body.message, { ...options, retryable: true });
  }
  if (chain.some(isOfMachine)) {
    return errorBody('UNAVAILABLE', body.message, { ...options, retryable: true });
  }
  return body;
}

function* causesOf(thrown: unknown): Iterable<unknown> {
  let each = thrown;
  for (let count = 0; count < MAX_CAUSES && each !== undefined; count += 1) {
    yield each;
    each = each instanceof Error ? each.cause : undefined;
  }
}

function isShortage(thrown: unknown): boolean {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return codeOf(thrown) === 'ENOMEM' || isShortOfMemory(`${codeOf(thrown)} ${message}`);
}

/** Whether the last words of a program say so. */
export function isShortOfMemory(text: string): boolean {
  return SHORT_OF_MEMORY.test(text);
}

function isOfMachine(thrown: unknown): boolean {
  return SYSTEM_CODE.test(codeOf(thrown)) || (thrown as Error | undefined)?.name === 'NatsError';
}

function codeOf(thrown: unknown): string {
  const { code } = (thrown ?? {}) as { readonly code?: unknown };
  return typeof code === 'string' ? code : '';
}

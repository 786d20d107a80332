/**
 * Typed errors. A code is a gRPC canonical name; machines branch on `retryable`, people search the
 * code and read the message, which names the offending value.
 */
export const ERROR_CODES = [
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

export type ErrorDetails = Readonly<Record<string, unknown>>;

/** An error as it travels between threads, processes and machines. */
export interface ErrorBody {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly message: string;
  /** `retryAfterMs` where RESOURCE_EXHAUSTED is retryable. */
  readonly details?: ErrorDetails;
}

const RETRYABLE_BY_DEFAULT: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'RESOURCE_EXHAUSTED',
  'ABORTED',
  'UNAVAILABLE',
]);

export interface LlmosErrorOptions {
  readonly retryable?: boolean;
  readonly details?: ErrorDetails;
  readonly cause?: unknown;
}

export class LlmosError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly details?: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: LlmosErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'LlmosError';
    this.code = code;
    this.retryable = options.retryable ?? RETRYABLE_BY_DEFAULT.has(code);
    if (options.details !== undefined) this.details = options.details;
  }

  toBody(): ErrorBody {
    return errorBody(this.code, this.message, {
      retryable: this.retryable,
      ...(this.details === undefined ? {} : { details: this.details }),
    });
  }

  static fromBody(body: ErrorBody): LlmosError {
    return new LlmosError(body.code, body.message, {
      retryable: body.retryable,
      ...(body.details === undefined ? {} : { details: body.details }),
    });
  }
}

export function errorBody(
  code: ErrorCode,
  message: string,
  options: Omit<LlmosErrorOptions, 'cause'> = {},
): ErrorBody {
  return {
    code,
    retryable: options.retryable ?? RETRYABLE_BY_DEFAULT.has(code),
    message,
    ...(options.details === undefined ? {} : { details: options.details }),
  };
}

/** The body of anything thrown; what is not an LlmosError becomes INTERNAL, not retryable. */
export function toErrorBody(thrown: unknown): ErrorBody {
  if (thrown instanceof LlmosError) return thrown.toBody();
  return errorBody('INTERNAL', thrown instanceof Error ? thrown.message : String(thrown));
}

export function isErrorCode(text: unknown): text is ErrorCode {
  return ERROR_CODES.includes(text as ErrorCode);
}

/** `return assertNever(x)` ends an exhaustive switch. */
export function assertNever(value: never): never {
  throw new Error(`unhandled case ${JSON.stringify(value)}`);
}

/**
 * Typed errors. A code is a gRPC canonical name; machines branch on `retryable`, people search the
 * code and read the message, which names the offending value.
 */
/** What a code is in the words of each transport. */
export interface ErrorTraits {
  readonly grpcStatus: number;
  /** As google.rpc.Code maps them; 499 is nginx's "client closed request". */
  readonly httpStatus: number;
  /** Unless the error itself says otherwise. */
  readonly isRetryable: boolean;
}

/** The one table of the codes: every transport maps errors by it. */
export const ERROR_TRAITS = {
  CANCELLED: { grpcStatus: 1, httpStatus: 499, isRetryable: false },
  UNKNOWN: { grpcStatus: 2, httpStatus: 500, isRetryable: false },
  INVALID_ARGUMENT: { grpcStatus: 3, httpStatus: 400, isRetryable: false },
  DEADLINE_EXCEEDED: { grpcStatus: 4, httpStatus: 504, isRetryable: false },
  NOT_FOUND: { grpcStatus: 5, httpStatus: 404, isRetryable: false },
  ALREADY_EXISTS: { grpcStatus: 6, httpStatus: 409, isRetryable: false },
  PERMISSION_DENIED: { grpcStatus: 7, httpStatus: 403, isRetryable: false },
  RESOURCE_EXHAUSTED: { grpcStatus: 8, httpStatus: 429, isRetryable: true },
  FAILED_PRECONDITION: { grpcStatus: 9, httpStatus: 400, isRetryable: false },
  ABORTED: { grpcStatus: 10, httpStatus: 409, isRetryable: true },
  OUT_OF_RANGE: { grpcStatus: 11, httpStatus: 400, isRetryable: false },
  UNIMPLEMENTED: { grpcStatus: 12, httpStatus: 501, isRetryable: false },
  INTERNAL: { grpcStatus: 13, httpStatus: 500, isRetryable: false },
  UNAVAILABLE: { grpcStatus: 14, httpStatus: 503, isRetryable: true },
  DATA_LOSS: { grpcStatus: 15, httpStatus: 500, isRetryable: false },
  UNAUTHENTICATED: { grpcStatus: 16, httpStatus: 401, isRetryable: false },
} as const satisfies Readonly<Record<string, ErrorTraits>>;

export type ErrorCode = keyof typeof ERROR_TRAITS;
export const ERROR_CODES = Object.keys(ERROR_TRAITS) as readonly ErrorCode[];

export type ErrorDetails = Readonly<Record<string, unknown>>;

/** An error as it travels between threads, processes and machines. */
export interface ErrorBody {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly message: string;
  /** `retryAfterMs` where RESOURCE_EXHAUSTED is retryable. */
  readonly details?: ErrorDetails;
}

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
    this.retryable = options.retryable ?? ERROR_TRAITS[code].isRetryable;
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
    retryable: options.retryable ?? ERROR_TRAITS[code].isRetryable,
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

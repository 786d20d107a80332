/** Requests and their outcomes as messages of core NATS: docs/protocol.md, "Answers". */
import type { BodyFormat, ErrorBody, HeaderSource, TenantId } from '@llmos/base';
import {
  encodeJson,
  errorBody,
  failure,
  parseSystemCall,
  parseTenantFunction,
  parseTenantTask,
  patterns,
  quoteShort,
  readTaskTerms,
  success,
} from '@llmos/base';
import type { Principal } from '../../ports/principal';
import type {
  AskedTask,
  RequestKind,
  RequestKinds,
  RequestOutcome,
  RequestReading,
} from '../../ports/request-link';
import { encodeResult } from '../protobuf/codec';

/** A message as far as it was looked at. */
export interface RequestMessage {
  readonly subject: string;
  /** Of the whole message, with its headers. */
  readonly bytes: number;
  readonly header: HeaderSource;
  readonly body: Uint8Array;
  /** Why nothing of it is read. */
  readonly fault?: ErrorBody;
}

export interface RequestCodec<Asked> {
  readonly pattern: string;
  /** Each request goes to one kernel of the group; without it every subscriber gets it. */
  readonly queue?: string;
  /** One that can't be answered is heeded all the same. */
  readonly isAnswerOptional?: boolean;
  readonly read: (message: RequestMessage) => RequestReading<Asked>;
}

/** Any kernel answers: requests are spread over all of them. */
const KERNEL_QUEUE = 'kernels';

export const REQUEST_CODECS: { readonly [Kind in RequestKind]: RequestCodec<RequestKinds[Kind]> } =
  {
    call: {
      pattern: patterns.calls,
      queue: KERNEL_QUEUE,
      read: (message) => readTask('call', message),
    },
    submit: {
      pattern: patterns.submits,
      queue: KERNEL_QUEUE,
      read: (message) => readTask('submit', message),
    },
    system: {
      pattern: patterns.sys,
      read: ({ subject, body }) => {
        const of = parseSystemCall(subject);
        if (of === undefined) return invalid(`subject ${quoteShort(subject)} names no call`);
        return {
          kind: 'read',
          asked: { principal: principalOf(of.principal), call: of.call, body },
        };
      },
    },
    cancel: {
      pattern: patterns.cancels,
      isAnswerOptional: true,
      read: ({ subject }) => {
        const of = parseTenantTask('cancel', subject);
        if (of === undefined) {
          return invalid(`subject ${quoteShort(subject)}: tenant and task must be tokens`);
        }
        return { kind: 'read', asked: { principal: principalOf(of.tenant), task: of.task } };
      },
    },
  };

const TENANT_TOKEN = 3;

/** `llmos.v1.KIND.TENANT.…`; whatever else it is, it is one owner's. */
export function ownerOf(subject: string): string {
  let start = 0;
  for (let token = 0; token < TENANT_TOKEN; token += 1) {
    const dot = subject.indexOf('.', start);
    if (dot < 0) return '';
    start = dot + 1;
  }
  const end = subject.indexOf('.', start);
  return subject.slice(start, end < 0 ? undefined : end);
}

export function encodeOutcome(outcome: RequestOutcome): {
  readonly body: Uint8Array;
  readonly format: BodyFormat;
} {
  switch (outcome.kind) {
    case 'output':
      return { body: encodeJson(success(outcome.output)), format: 'json' };
    case 'result':
      return outcome;
    case 'unanswered':
    case 'refused': {
      const { error, format } = outcome;
      return { body: encodeResult(failure(error), format).body, format };
    }
  }
}

/** Those who may operate; `default` stands for the person at a laptop. */
const OPERATORS: ReadonlySet<string> = new Set(['operator', 'default']);

function principalOf(tenant: TenantId): Principal {
  return { tenant, isOperator: OPERATORS.has(tenant) };
}

function readTask(
  kind: 'call' | 'submit',
  { subject, header, body }: RequestMessage,
): RequestReading<AskedTask> {
  const of = parseTenantFunction(kind, subject);
  if (of === undefined) {
    const rule = 'tenant and function must match [A-Za-z0-9_-]{1,64}';
    return invalid(`subject ${quoteShort(subject)}: ${rule}`);
  }
  const reading = readTaskTerms(header);
  if (reading.kind === 'invalid') return reading;
  const principal = principalOf(of.tenant);
  return { kind: 'read', asked: { principal, function: of.function, terms: reading.terms, body } };
}

function invalid(message: string): RequestReading<never> {
  return { kind: 'invalid', error: errorBody('INVALID_ARGUMENT', message), format: 'json' };
}

/** For tests: requests without a transport, and what they come to as results. */
import type { Result } from '@llmos/base';
import { decodeJson, failure, success } from '@llmos/base';
import type { ForeignRequest, RequestOutcome, RequestReading } from '../ports/request-link';

export interface MadeRequest<Asked> {
  readonly owner: string;
  readonly bytes?: number;
  readonly read: () => RequestReading<Asked>;
  readonly answer: (outcome: RequestOutcome) => void;
}

export function makeRequest<Asked>(of: MadeRequest<Asked>): ForeignRequest<Asked> {
  const { owner, bytes = 1, read, answer } = of;
  const answering = { label: `from ${owner}`, answer };
  const request: ForeignRequest<Asked> = {
    ...answering,
    owner,
    bytes,
    read,
    answering: () => answering,
    own: () => request,
  };
  return request;
}

export function resultOf(outcome: RequestOutcome): Result {
  switch (outcome.kind) {
    case 'output':
      return success(outcome.output);
    case 'result':
      return decodeJson(outcome.body) as Result;
    case 'unanswered':
    case 'refused':
      return failure(outcome.error);
  }
}

import type { Answering, ForeignRequest } from '../ports/request-link';

/** What is held of a request while its answer is on its way: neither its headers nor its body. */
export type Asked = Answering & Pick<ForeignRequest, 'subject'>;

export function askedOf({ answer, refuse, subject }: ForeignRequest): Asked {
  return { answer, refuse, subject };
}

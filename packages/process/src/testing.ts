/** For tests of any package: the leader's side of the mailbox and the reports. */
export { decodeReport, encodeMailboxMessage } from './adapters/jetstream/codec';
export type { DecodedReport } from './adapters/jetstream/codec';
export type { MailboxCommand, MailboxMessage } from './ports/mailbox-link';

// What reads foreign bytes, for the fuzzer.
export { decodeMailboxMessage, encodeReport } from './adapters/jetstream/codec';
export { readStoredResult } from './adapters/jetstream/result-codec';

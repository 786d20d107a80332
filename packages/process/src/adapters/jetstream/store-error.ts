/** Tells JetStream's answers apart by their numbers, which never change; texts do. */
import { NatsError } from 'nats';

/** JSStreamWrongLastSequenceErrF. */
const WRONG_LAST_SEQUENCE = 10071;
const NO_MESSAGE_FOUND = 10037;
const STREAM_NOT_FOUND = 10059;
/** JSStreamMessageExceedsMaximumErr: the stream's own limit, below the server's. */
const MESSAGE_EXCEEDS_MAXIMUM = 10054;

export function isWrongLastSequence(thrown: unknown): boolean {
  return apiErrorCode(thrown) === WRONG_LAST_SEQUENCE || isSubjectTaken(thrown);
}

export function isNotFound(thrown: unknown): boolean {
  return apiErrorCode(thrown) === NO_MESSAGE_FOUND;
}

export function isStreamNotFound(thrown: unknown): boolean {
  return apiErrorCode(thrown) === STREAM_NOT_FOUND;
}

export function isTooLarge(thrown: unknown): boolean {
  return apiErrorCode(thrown) === MESSAGE_EXCEEDS_MAXIMUM;
}

/** A stream with one message per subject that discards new ones may say it this way. */
function isSubjectTaken(thrown: unknown): boolean {
  return messageOf(thrown).includes('maximum messages per subject exceeded');
}

function apiErrorCode(thrown: unknown): number | undefined {
  return thrown instanceof NatsError ? thrown.api_error?.err_code : undefined;
}

export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/**
 * Where a task's result is stored, and where readers look for it.
 *
 * Results that are wanted for two minutes at most go to `LLMOS_ANSWERS`, which forgets soon, all
 * others to `LLMOS_RESULTS`. Which of the two is decided by the task alone (its `Llmos-Keep-Ms`),
 * so every attempt of it commits to the same subject and one of them wins. Readers don't know the
 * task: they look in both. What a limit refused has its error among the answers too, marked by the
 * header `Llmos-Refused`: it is no result, and a result beside it is the truth.
 */
import { WIRE_LIMITS } from './limits';
import type { TaskIdentity } from './task-digest';
import { parseIdentity } from './task-digest';
import type { BodyFormat, HeaderSource } from './task-headers';
import { HEADERS, PROTOBUF_CONTENT_TYPE } from './task-headers';
import { STREAMS } from './model-package';
import type { TenantId } from './ids';
import type { TenantTask } from './subjects';
import { parseTenantTask, patterns, subjects } from './subjects';

export interface ResultPlace {
  readonly stream: string;
  readonly subject: string;
}

/** @param keepMs of the task; absent: as long as results are kept. */
export function isShortLived(keepMs: number | undefined): boolean {
  return keepMs !== undefined && keepMs <= WIRE_LIMITS.answerKeepMs;
}

/** The stream that holds the results of such tasks. */
export function resultStream(keepMs: number | undefined): string {
  return isShortLived(keepMs) ? STREAMS.answers : STREAMS.results;
}

export function resultPlace(of: TenantTask, keepMs: number | undefined): ResultPlace {
  return isShortLived(keepMs) ? answerPlace(of) : longPlace(of);
}

/** Both places, in the order in which readers believe them. */
export function resultPlaces(of: TenantTask): readonly [ResultPlace, ResultPlace] {
  return [longPlace(of), answerPlace(of)];
}

/** Every result of a tenant: the two streams, and which of their subjects. */
export function resultPatterns(tenant: TenantId): readonly ResultPlace[] {
  return [
    { stream: STREAMS.results, subject: patterns.resultsOf(tenant) },
    { stream: STREAMS.answers, subject: patterns.answersOf(tenant) },
  ];
}

/** Whose result a subject holds, in either place. */
export function parseResultSubject(text: string): TenantTask | undefined {
  return parseTenantTask('result', text) ?? parseTenantTask('answer', text);
}

function longPlace(of: TenantTask): ResultPlace {
  return { stream: STREAMS.results, subject: subjects.result(of) };
}

export function answerPlace(of: TenantTask): ResultPlace {
  return { stream: STREAMS.answers, subject: subjects.answer(of) };
}

/** What the headers of a stored result say of it. */
export interface ResultMarks {
  readonly format: BodyFormat;
  /** What its id stands for, where the client chose it. */
  readonly identity?: TaskIdentity;
  /** Set where it is no result: a limit refused the task of this sequence in LLMOS_TASKS. */
  readonly refusedSequence?: number;
}

export function readResultMarks(get: HeaderSource): ResultMarks {
  const identity = parseIdentity(get(HEADERS.digest));
  const refused = Number(get(HEADERS.refused) ?? Number.NaN);
  return {
    format: get(HEADERS.contentType) === PROTOBUF_CONTENT_TYPE ? 'protobuf' : 'json',
    ...(identity === undefined ? {} : { identity }),
    ...(Number.isSafeInteger(refused) ? { refusedSequence: refused } : {}),
  };
}

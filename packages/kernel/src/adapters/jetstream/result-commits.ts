/**
 * Results that the kernel itself commits: errors of tasks that it ends.
 *
 * Committed like those of processes, so one wins. A refusal by a limit is no result: it goes to the
 * answers, whatever the task asked for, and whatever comes later takes its place or removes it.
 */
import type { BodyFormat, Result, ResultPlace, TaskIdentity } from '@llmos/base';
import {
  HEADERS,
  STREAMS,
  answerPlace,
  assertNever,
  formatIdentity,
  isOther,
  resultPlace,
} from '@llmos/base';
import { isConflict, headers as newHeaders } from '@llmos/wire';
import type { JetStreamClient, JetStreamManager } from '@llmos/wire';
import type { CommittedResult } from '../../ports/task-stream';
import type { TaskSpec } from '../../tasks/task-spec';
import { identityOf } from '../../tasks/task-spec';
import type { EncodedResult } from '../protobuf/codec';
import { deleteMessage } from './message-deletion';
import type { KnownResult, ResultReads } from './result-reads';

export interface ResultCommitOptions {
  readonly jetstream: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly reads: ResultReads;
  readonly encodeResult: (result: Result, format: BodyFormat) => EncodedResult;
}

export class ResultCommits {
  constructor(private readonly options: ResultCommitOptions) {}

  /**
   * Resolves when a result is stored: this one, or one that was there.
   *
   * @returns whose the one is that was there, where that is another task of the id.
   */
  async commit(commit: CommittedResult): Promise<TaskIdentity | undefined> {
    const { of } = commit;
    const name = { tenant: of.tenant, task: of.id };
    switch (commit.as) {
      case 'refused':
        if (await this.tryCommit(commit, answerPlace(name), 0)) return undefined;
        return this.otherAt(commit, answerPlace(name));
      case 'early':
        // One among the answers belongs to a short-lived task, which has ended. Then the other
        // place decides, as it does for every reader.
        if (await this.replace(commit, answerPlace(name))) {
          await this.tryCommit(commit, resultPlace(name, undefined), 0);
        }
        return undefined;
      case 'end': {
        // One is there already: this one, if an answer was lost, or the process's.
        const place = resultPlace(name, of.keepMs);
        if (await this.replace(commit, place)) return undefined;
        return this.otherAt(commit, place);
      }
      default:
        return assertNever(commit.as);
    }
  }

  /**
   * Whether what a look-up found is the end of this task. A refusal of an earlier one of its id is
   * none, and is removed: who reads from now on waits for the result.
   */
  async isEnd(spec: TaskSpec, found: KnownResult | undefined): Promise<boolean> {
    if (found === undefined) return false;
    if (found.refusedSequence === undefined || found.refusedSequence === spec.sequence) return true;
    const { place } = found;
    if (place !== undefined) await deleteMessage(this.options.manager, place);
    return false;
  }

  /** Whose result is in the way of one, where it is not the same task's. */
  private async otherAt(
    { of }: CommittedResult,
    place: ResultPlace,
  ): Promise<TaskIdentity | undefined> {
    const own = identityOf(of);
    if (own === undefined) return undefined;
    const stored = await this.options.reads.readAt(place);
    if (stored === undefined || stored.refusedSequence !== undefined) return undefined;
    return isOther(own, stored.identity) ? stored.identity : undefined;
  }

  /** Also where a refusal is in the way. @returns whether it was stored. */
  private async replace(commit: CommittedResult, place: ResultPlace): Promise<boolean> {
    if (await this.tryCommit(commit, place, 0)) return true;
    if (place.stream !== STREAMS.answers) return false;
    const stored = await this.options.reads.readAt(place);
    if (stored?.refusedSequence === undefined || stored.place === undefined) return false;
    return this.tryCommit(commit, place, stored.place.sequence);
  }

  private async tryCommit(
    commit: CommittedResult,
    place: ResultPlace,
    after: number,
  ): Promise<boolean> {
    const { of, result } = commit;
    const { body, contentType } = this.options.encodeResult(result, of.format);
    const identity = identityOf(of);
    const headers = newHeaders();
    if (contentType !== undefined) headers.set(HEADERS.contentType, contentType);
    if (identity !== undefined) headers.set(HEADERS.digest, formatIdentity(identity));
    if (commit.as === 'refused') headers.set(HEADERS.refused, String(of.sequence));
    try {
      const expect = { lastSubjectSequence: after };
      await this.options.jetstream.publish(place.subject, body, { expect, headers });
      return true;
    } catch (error) {
      if (!isConflict(error)) throw error;
      return false;
    }
  }
}

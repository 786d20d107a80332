/**
 * What is stored of a task beside its message: its result, its attempts, its dead letter. Each
 * request is repeated until it succeeds or the leadership ends, and may be done twice.
 *
 * Reads that decide something go to the stream's leader, because a follower may not know yet what
 * was committed.
 */
import type { BodyFormat, Logger, Result, TaskIdentity, TenantTask } from '@llmos/base';
import { isOther } from '@llmos/base';
import type { JetStreamClient, JetStreamManager, NatsConnection } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import type { CommittedResult, DeadLetter, LookedUp } from '../../ports/task-stream';
import type { StoreLanes } from '../../services/store-lanes';
import type { AttemptRecord, TaskSpec } from '../../tasks/task-spec';
import { identityOf } from '../../tasks/task-spec';
import type { EncodedResult } from '../protobuf/codec';
import { AttemptRows, untried } from './attempt-rows';
import type { KnownOfTask } from './backlog-reads';
import { publishDeadLetter } from './dead-letters';
import { ResultCommits } from './result-commits';
import type { KnownResult, ResultReads } from './result-reads';

export interface TaskRecordsOptions {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly log: Logger;
  readonly reads: ResultReads;
  readonly encodeResult: (result: Result, format: BodyFormat) => EncodedResult;
}

/** What is known of a task without asking. */
export interface BeforeLookUp {
  readonly known: KnownOfTask;
  /** Whether another leader may have seen it. */
  readonly mayHaveRun: boolean;
}

export class TaskRecords {
  private readonly jetstream: JetStreamClient;
  private readonly attempts: AttemptRows;
  private readonly commits: ResultCommits;

  constructor(private readonly options: TaskRecordsOptions) {
    const timeout = EDGE_LIMITS.requestTimeoutMs;
    this.jetstream = options.connection.jetstream({ timeout });
    this.attempts = new AttemptRows(options);
    this.commits = new ResultCommits({ ...options, jetstream: this.jetstream });
  }

  async lookUp(lanes: StoreLanes, spec: TaskSpec, of: BeforeLookUp): Promise<LookedUp> {
    const { known, mayHaveRun } = of;
    if (known.isCommitted === false && known.row !== 'unknown') return untried(known.row);
    return lanes.run('look-up-result', spec, async () => {
      const [found, row] = await Promise.all([
        known.isCommitted === 'unknown' ? this.resultOf(spec, mayHaveRun) : undefined,
        known.row === 'unknown' ? this.attempts.read(spec.tenant, spec.id) : known.row,
      ]);
      const isCommitted = await this.commits.isEnd(spec, found);
      const first = isCommitted ? found?.identity : undefined;
      const other = isOther(first, identityOf(spec)) && first !== undefined ? { other: first } : {};
      return { ...untried(row), isCommitted, ...other };
    });
  }

  recordAttempt(lanes: StoreLanes, spec: TaskSpec, record: AttemptRecord): Promise<void> {
    return lanes.run('record-attempt', spec, () =>
      this.attempts.write(spec.tenant, spec.id, record),
    );
  }

  commitResult(lanes: StoreLanes, of: CommittedResult): Promise<TaskIdentity | undefined> {
    return lanes.run('commit-result', { class: of.class, tenant: of.of.tenant }, () =>
      this.commits.commit(of),
    );
  }

  storeDeadLetter(lanes: StoreLanes, letter: DeadLetter): Promise<void> {
    return lanes.run('store-dead-letter', letter.spec, () =>
      publishDeadLetter({ ...this.options, jetstream: this.jetstream }, letter),
    );
  }

  /** Best effort. */
  forgetAttempts({ tenant, task }: TenantTask): void {
    this.attempts.forget(tenant, task);
  }

  private resultOf(spec: TaskSpec, mayHaveRun: boolean): Promise<KnownResult | undefined> {
    const { reads } = this.options;
    const of = { tenant: spec.tenant, task: spec.id };
    return mayHaveRun ? reads.read(of) : reads.known(of);
  }
}

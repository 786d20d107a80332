/**
 * `attach`: readers of streams that have no access to JetStream's API. Sole owner of them.
 *
 * Bounded, per tenant and in all. A client that attaches to the same task again takes the place of
 * its earlier self, so whoever lost something just attaches from the token it has not seen.
 */
import type {
  AttachRequest,
  Attached,
  Clock,
  ErrorBody,
  Logger,
  TaskId,
  TaskStatus,
  TenantId,
  TenantTask,
} from '@llmos/base';
import {
  LlmosError,
  WIRE_LIMITS,
  errorBody,
  parseGeneratedText,
  parseResult,
  quoteShort,
  subjects,
} from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import type { KernelCounters } from '../ports/kernel-counters';
import type { ResultStore, StoredResult } from '../ports/result-store';
import type { StreamLink } from '../ports/stream-link';
import { GenerationReplay } from './generation-replay';
import type { Registry } from './registry';
import type { ResultWaiters } from './result-waiters';

export interface AttachServiceOptions {
  readonly streams: StreamLink;
  readonly results: Pick<ResultStore, 'read'>;
  /** Of its own: readers are no calls. */
  readonly waiters: ResultWaiters;
  readonly statusOf: (tenant: TenantId, task: TaskId) => TaskStatus;
  readonly registry: Pick<Registry, 'traitsOf'>;
  readonly clock: Clock;
  readonly counters: KernelCounters;
  readonly log: Logger;
}

export class AttachService {
  /** By tenant, client and task. */
  private readonly readers = new Map<string, GenerationReplay>();
  private readonly countByTenant = new Map<TenantId, number>();

  constructor(private readonly options: AttachServiceOptions) {}

  get count(): number {
    return this.readers.size;
  }

  /** Rejects with NOT_FOUND, FAILED_PRECONDITION, OUT_OF_RANGE or RESOURCE_EXHAUSTED. */
  async attach(request: AttachRequest, tenant: TenantId): Promise<Attached> {
    const { client, fromIndex = 0 } = request;
    const of: TenantTask = { tenant, task: request.task as TaskId };
    const key = `${tenant} ${client} ${of.task}`;
    this.readers.get(key)?.end();
    this.assertRoom(tenant);
    const reader = this.open(key, { of, client, fromIndex });
    try {
      const result = await this.find(of);
      if (result !== undefined) {
        checkEnded(of, result, fromIndex);
        reader.setResult(result);
      }
      reader.start();
      return {
        task: of.task,
        subject: subjects.deliver({ tenant, client }),
        state: result === undefined ? 'running' : 'ended',
        keepAliveMs: EDGE_LIMITS.readerKeepAliveMs,
      };
    } catch (error) {
      reader.end();
      throw error;
    }
  }

  /** The leadership is over: each reader is told, and attaches to the next leader. */
  detachAll(): void {
    const message = 'this kernel does not lead any more: attach again';
    const error = errorBody('UNAVAILABLE', message, { retryable: true });
    for (const reader of [...this.readers.values()]) reader.detach(error);
  }

  private open(
    key: string,
    of: { readonly of: TenantTask; readonly client: string; readonly fromIndex: number },
  ): GenerationReplay {
    const { waiters, clock } = this.options;
    const { tenant } = of.of;
    let stopWaiting = (): void => undefined;
    const reader = new GenerationReplay({
      ...this.options,
      ...of,
      onEnd: () => {
        stopWaiting();
        if (this.readers.get(key) === reader) this.readers.delete(key);
        this.addTo(tenant, -1);
      },
    });
    this.readers.set(key, reader);
    this.addTo(tenant, 1);
    // Before the first look at the result, so that none is missed between the two.
    stopWaiting = waiters.add({
      of: of.of,
      untilMs: clock.nowMs() + WIRE_LIMITS.maxTimeoutMs,
      settle: (outcome) => {
        if (outcome.kind === 'result') reader.setResult(outcome.result);
        else reader.detach(noResult(outcome.kind));
      },
    });
    return reader;
  }

  /** How many readers the tenant may have, and how many more. */
  roomOf(tenant: TenantId): { readonly limit: number; readonly remaining: number } {
    const { maxReaders, maxReadersPerTenant: limit } = EDGE_LIMITS;
    const ofTenant = this.countByTenant.get(tenant) ?? 0;
    const left = Math.min(limit - ofTenant, maxReaders - this.readers.size);
    return { limit, remaining: Math.max(0, left) };
  }

  private addTo(tenant: TenantId, change: number): void {
    const count = (this.countByTenant.get(tenant) ?? 0) + change;
    if (count > 0) this.countByTenant.set(tenant, count);
    else this.countByTenant.delete(tenant);
  }

  private assertRoom(tenant: TenantId): void {
    const { maxReaders, maxReadersPerTenant, retryAfterMs } = EDGE_LIMITS;
    const ofTenant = this.countByTenant.get(tenant) ?? 0;
    if (this.readers.size < maxReaders && ofTenant < maxReadersPerTenant) return;
    const message =
      ofTenant < maxReadersPerTenant
        ? `${maxReaders} readers are attached already`
        : `${maxReadersPerTenant} readers of tenant ${tenant} are attached already`;
    throw new LlmosError('RESOURCE_EXHAUSTED', message, {
      retryable: true,
      details: { retryAfterMs },
    });
  }

  /**
   * The result, or undefined where the task is known and has none yet. The stores are looked into
   * at the beginning and at the end only: what is stored meanwhile is heard of without that.
   */
  private async find(of: TenantTask): Promise<StoredResult | undefined> {
    const { clock } = this.options;
    const untilMs = clock.nowMs() + EDGE_LIMITS.readerUnknownMs;
    const atFirst = await this.look(of);
    if (atFirst !== 'unknown') return atFirst;
    // A new leader may not have taken the task in again yet.
    while (clock.nowMs() < untilMs) {
      if (this.isHeld(of)) return undefined;
      await new Promise((resolve) => setTimeout(resolve, EDGE_LIMITS.readerUnknownLookMs));
    }
    const atLast = await this.look(of);
    if (atLast !== 'unknown') return atLast;
    throw new LlmosError('NOT_FOUND', `no task ${quoteShort(of.task)} is known`);
  }

  private async look(of: TenantTask): Promise<StoredResult | 'unknown' | undefined> {
    const { results, streams } = this.options;
    const result = await results.read(of);
    if (result !== undefined) return result;
    if (this.isHeld(of)) return undefined;
    return (await streams.readChunk(of, 1)) === undefined ? 'unknown' : undefined;
  }

  private isHeld(of: TenantTask): boolean {
    const status = this.options.statusOf(of.tenant, of.task);
    if (status.state === 'unknown') return false;
    const { streams } = this.options.registry.traitsOf(status.function);
    if (!streams) throw notStreamed(of.task, status.function);
    return true;
  }
}

function checkEnded(of: TenantTask, result: StoredResult, fromIndex: number): void {
  // Its function is not known any more; a result in protobuf is handed on as it is.
  const answer = result.format === 'json' ? parseResult(result.body) : undefined;
  if (answer?.ok !== true) return;
  const generated = parseGeneratedText(answer.output);
  if (generated === undefined) throw notStreamed(of.task, undefined);
  const count = generated.tokens.length;
  if (fromIndex <= count) return;
  const message = `fromIndex is ${fromIndex}: task ${of.task} ended with ${count} tokens`;
  throw new LlmosError('OUT_OF_RANGE', message, { details: { fromIndex, tokens: count } });
}

function notStreamed(task: TaskId, name: string | undefined): LlmosError {
  const what = name === undefined ? 'no generation' : `${name}, no generation`;
  return new LlmosError('FAILED_PRECONDITION', `task ${task} is ${what}: it has no stream`);
}

function noResult(kind: 'timed-out' | 'stopping'): ErrorBody {
  return kind === 'stopping'
    ? errorBody('UNAVAILABLE', 'the kernel stops: attach again', { retryable: true })
    : errorBody('DEADLINE_EXCEEDED', 'no task takes as long as this reader has waited');
}

/** Lists of system calls: the kernel answers in pages, whoever asks here gets all of it. */
import type { PageRequest, SystemCalls } from '@llmos/base';
import { LlmosError, isRecord, quoteShort } from '@llmos/base';
import type { WaitOptions } from './call-options';
import { checkWait } from './call-options';
import type { ClientContext } from './client-context';
import { SDK_LIMITS } from './limits';
import { systemCall } from './system-requests';

/** Calls whose answer is a list, and where in the answer it is. */
interface ListFields {
  readonly ps: 'processes';
  readonly nodes: 'nodes';
  readonly models: 'models';
  readonly functions: 'functions';
  readonly 'model-remove': 'removed';
}
type ListCall = keyof ListFields;
type RowOf<Call extends ListCall> =
  SystemCalls[Call]['output'] extends Readonly<Record<ListFields[Call], readonly (infer Row)[]>>
    ? Row
    : never;

export interface ListOf<Call extends ListCall> {
  readonly call: Call;
  readonly field: ListFields[Call];
  /** What else the call takes. */
  readonly request?: Omit<SystemCalls[Call]['request'], keyof PageRequest>;
}

/** The whole list; `timeoutMs` is the time for all of it. */
export async function listAll<Call extends ListCall>(
  context: ClientContext,
  list: ListOf<Call>,
  options: WaitOptions = {},
): Promise<readonly RowOf<Call>[]> {
  const rows: RowOf<Call>[] = [];
  for await (const page of pagesOf(context, list, options)) {
    for (const row of page) rows.push(row);
    if (rows.length <= SDK_LIMITS.maxListedRows) continue;
    const message = `${list.call} lists more than ${SDK_LIMITS.maxListedRows} rows`;
    throw new LlmosError('RESOURCE_EXHAUSTED', message, { retryable: false });
  }
  return rows;
}

/** One page after the other; each is asked for when the one before was used. */
async function* pagesOf<Call extends ListCall>(
  context: ClientContext,
  list: ListOf<Call>,
  options: WaitOptions,
): AsyncGenerator<readonly RowOf<Call>[], void, undefined> {
  const { timeoutMs, signal } = checkWait(options, context.timeoutMs);
  const untilMs = context.clock.nowMs() + timeoutMs;
  let page: PageRequest = {};
  for (;;) {
    const leftMs = Math.ceil(untilMs - context.clock.nowMs());
    if (leftMs <= 0) {
      const message = `system call ${list.call} did not come to its end in ${timeoutMs} ms`;
      throw new LlmosError('DEADLINE_EXCEEDED', message);
    }
    // Kernels without pages don't know their fields, and answer without a token.
    const request = { ...list.request, ...page } as SystemCalls[Call]['request'];
    const wait = { timeoutMs: leftMs, ...(signal === undefined ? {} : { signal }) };
    const output: unknown = await systemCall(context, list.call, request, wait);
    const { [list.field]: rows, nextPageToken } = isRecord(output) ? output : {};
    if (!Array.isArray(rows)) throw strange(list.call, output);
    yield rows as RowOf<Call>[];
    if (nextPageToken === undefined) return;
    const isNew = nextPageToken !== page.pageToken;
    if (typeof nextPageToken !== 'string' || !isNew) throw strange(list.call, nextPageToken);
    page = { pageToken: nextPageToken };
  }
}

function strange(call: string, answer: unknown): LlmosError {
  return new LlmosError('INTERNAL', `system call ${call} answered ${quoteShort(answer)}`);
}

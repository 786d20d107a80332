/**
 * Holds a deployment against the golden cases, one by one. Needs the shipped models; a case whose
 * models are missing is skipped.
 */
import { randomBytes } from 'node:crypto';
import type { NatsConnection } from 'nats';
import type { Case, CaseFile, Expected, Step } from './case';
import { fillIn } from './case';
import { mismatchOf } from './pattern';
import type { Reply } from './wire';
import { isAnswered, readChunks, request, waitForResult } from './wire';

export type CaseOutcome = {
  readonly file: string;
  readonly name: string;
} & (
  | { readonly kind: 'passed' }
  | { readonly kind: 'failed'; readonly why: string }
  | { readonly kind: 'skipped'; readonly why: string }
);

export interface ConformanceReport {
  readonly outcomes: readonly CaseOutcome[];
  readonly missingModels: readonly string[];
}

export interface ConformanceOptions {
  readonly connection: NatsConnection;
  readonly files: readonly CaseFile[];
  readonly tenant: string;
  readonly onOutcome?: (outcome: CaseOutcome) => void;
}

/** Throws where no kernel answers. */
export async function runConformance(options: ConformanceOptions): Promise<ConformanceReport> {
  const registered = await registeredModels(options);
  const missing = new Set<string>();
  const outcomes: CaseOutcome[] = [];
  for (const { file, cases } of options.files) {
    for (const one of cases) {
      const absent = (one.needs ?? []).filter((model) => !registered.has(model));
      for (const model of absent) missing.add(model);
      const verdict =
        absent.length === 0
          ? await runCase(options, one)
          : ({ kind: 'skipped', why: `not registered: ${absent.join(', ')}` } as const);
      const outcome = { file, name: one.name, ...verdict };
      outcomes.push(outcome);
      options.onOutcome?.(outcome);
    }
  }
  return { outcomes, missingModels: [...missing].sort() };
}

interface ModelsPage {
  readonly models?: readonly { readonly name: string }[];
  readonly nextPageToken?: string;
}

async function registeredModels(options: ConformanceOptions): Promise<ReadonlySet<string>> {
  const subject = `llmos.v1.sys.${options.tenant}.models`;
  const names = new Set<string>();
  let page: object | undefined = {};
  while (page !== undefined) {
    const reply = await request(options.connection, { subject, json: page });
    if (reply === undefined) throw new Error(`no kernel listens on ${subject}`);
    const { output } = reply.body as { output?: ModelsPage };
    for (const { name } of output?.models ?? []) names.add(name);
    const pageToken = output?.nextPageToken;
    page = pageToken === undefined ? undefined : { pageToken };
  }
  return names;
}

async function runCase(
  options: ConformanceOptions,
  one: Case,
): Promise<{ kind: 'passed' } | { kind: 'failed'; why: string }> {
  const run = new CaseRun(options);
  for (const [index, step] of one.steps.entries()) {
    const why = await run.take(step).catch(describe);
    if (why !== undefined) return { kind: 'failed', why: `step ${index + 1}: ${why}` };
  }
  return { kind: 'passed' };
}

/** One case from its first step to its last; each step answers what is wrong, if anything. */
class CaseRun {
  private readonly saved = new Map<string, string>();
  private readonly run = randomBytes(6).toString('hex');

  constructor(private readonly options: ConformanceOptions) {}

  async take(raw: Step): Promise<string | undefined> {
    const { connection, tenant } = this.options;
    const { run, saved } = this;
    const step = fillIn(raw, { tenant, run, nowMs: Date.now(), saved });
    if ('request' in step) return this.judge(step, await request(connection, step.request));
    if ('task' in step) return this.judge(step, await this.runTask(step));
    if ('result' in step) return this.judge(step, await this.resultOf(step.result));
    if ('refused' in step) {
      const answer = await request(connection, step.refused);
      return answer === undefined ? undefined : `answered with ${JSON.stringify(answer.body)}`;
    }
    if ('unanswered' in step) {
      const heard = await isAnswered(connection, step.unanswered, step.reply);
      return heard ? `${step.reply} was answered` : undefined;
    }
    if ('chunks' in step) return this.checkChunks(step.chunks);
    return this.checkOrder(step.inOrder);
  }

  private judge(expected: Expected, reply: Reply | undefined): string | undefined {
    if (reply === undefined) return 'nobody listens (503)';
    const body = mismatchOf(expected.answer, reply.body);
    if (body !== undefined) return `answer: ${body}`;
    for (const [name, pattern] of Object.entries(expected.headers ?? {})) {
      const header = mismatchOf(pattern, reply.header(name));
      if (header !== undefined) return `header ${name}: ${header}`;
    }
    for (const [name, path] of Object.entries(expected.save ?? {})) {
      this.saved.set(name, String(valueAt(reply.body, path)));
    }
    return undefined;
  }

  private async runTask(step: Extract<Step, { task: unknown }>): Promise<Reply> {
    const acknowledgement = await request(this.options.connection, step.task);
    const stored = acknowledgement?.body as { stream?: string; seq?: number } | undefined;
    if (stored?.stream !== 'LLMOS_TASKS' || stored.seq === undefined) {
      throw new Error(`the task was not stored: ${JSON.stringify(stored)}`);
    }
    const own = step.endsUnder === 'sequence' ? undefined : step.task.headers?.['Llmos-Id'];
    return this.resultOf(own ?? `s${stored.seq}`);
  }

  private resultOf(task: string): Promise<Reply> {
    return waitForResult(this.options.connection, { tenant: this.options.tenant, task });
  }

  private async checkChunks(task: string): Promise<string | undefined> {
    const { connection, tenant } = this.options;
    const result = await this.resultOf(task);
    const chunks = await readChunks(connection, { tenant, task });
    const joined = { text: '', tokens: [] as number[], finishReason: undefined as unknown };
    for (const [index, { body, header }] of chunks.entries()) {
      const chunk = body as {
        index: number;
        text: string;
        tokens: number[];
        finishReason?: string;
      };
      if (chunk.index !== joined.tokens.length) return `chunk ${index} begins at ${chunk.index}`;
      if (!/^\d+$/.test(header('Llmos-Attempt') ?? '')) return `chunk ${index} has no attempt`;
      if (joined.finishReason !== undefined) return `chunk ${index} comes after the last one`;
      joined.text += chunk.text;
      joined.tokens.push(...chunk.tokens);
      joined.finishReason = chunk.finishReason;
    }
    return mismatchOf({ ok: true, output: joined }, result.body);
  }

  private async checkOrder(tasks: readonly string[]): Promise<string | undefined> {
    let last = 0;
    for (const task of tasks) {
      const sequence = Number((await this.resultOf(task)).header('Nats-Sequence'));
      if (!(sequence > last)) return `the result of ${task} was stored out of order`;
      last = sequence;
    }
    return undefined;
  }
}

function valueAt(body: unknown, path: string): unknown {
  return path
    .split('/')
    .slice(1)
    .reduce((value, name) => (value as Record<string, unknown> | undefined)?.[name], body);
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

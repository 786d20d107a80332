/**
 * What the files in `cases/` hold: golden requests of the wire contract, and what must come back.
 * Every text may contain `${tenant}`, `${run}` (differs in each run), `${now+MS}` and
 * `${rfc3339+MS}` (points in time, MS may be negative) and what an earlier step saved.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryFolder } from '../support/shared-folder';

/** One message to a subject, with one of the bodies; no body is an empty one. */
export interface Message {
  readonly subject: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly text?: string;
  /** Bytes that are no text. */
  readonly base64?: string;
  /** A message of proto/llmos/v1/functions.proto by name, and its JSON form. */
  readonly protobuf?: { readonly message: string; readonly value: unknown };
  /** `head`, then `unit` so many times, then `tail`. */
  readonly fill?: {
    readonly head: string;
    readonly unit: string;
    readonly times: number;
    readonly tail: string;
  };
}

export interface Expected {
  /** A pattern of the body; of a protobuf body, in the JSON form of TaskResult. */
  readonly answer: unknown;
  /** Patterns of headers. */
  readonly headers?: Readonly<Record<string, unknown>>;
  /** Name → path in the body (`/output/task`), for later steps. */
  readonly save?: Readonly<Record<string, string>>;
}

export type Step =
  /** A request whose answer comes to the reply subject. */
  | ({ readonly request: Message } & Expected)
  /** A task published to its subject; the answer is the committed result, under its own id. */
  | ({ readonly task: Message; readonly endsUnder?: 'sequence' } & Expected)
  /** The committed result of a task that an earlier step began. */
  | ({ readonly result: string } & Expected)
  /** A publish that nobody hears and no stream stores. */
  | { readonly refused: Message }
  /** A request with this reply subject, which must not be answered. */
  | { readonly unanswered: Message; readonly reply: string }
  /** The stored chunks of a task make up its result. */
  | { readonly chunks: string }
  /** The results of these tasks were stored in this order. */
  | { readonly inOrder: readonly string[] };

export interface Case {
  readonly name: string;
  /** Shipped models without which it is skipped. */
  readonly needs?: readonly string[];
  readonly steps: readonly Step[];
}

export interface CaseFile {
  readonly file: string;
  readonly cases: readonly Case[];
}

const CASES = join(repositoryFolder, 'tests', 'conformance', 'cases');

export function readCaseFiles(): readonly CaseFile[] {
  const names = readdirSync(CASES).filter((name) => name.endsWith('.json'));
  return names.sort().map((name) => ({
    file: name,
    cases: JSON.parse(readFileSync(join(CASES, name), 'utf8')) as Case[],
  }));
}

export interface Variables {
  readonly tenant: string;
  readonly run: string;
  readonly nowMs: number;
  readonly saved: ReadonlyMap<string, string>;
}

/** A copy of a step with its variables filled in. */
export function fillIn<T>(value: T, variables: Variables): T {
  return fill(value, variables) as T;
}

function fill(value: unknown, variables: Variables): unknown {
  if (typeof value === 'string') {
    return value.replace(/\$\{([^}]+)\}/g, (_all, name: string) => valueOf(name, variables));
  }
  if (Array.isArray(value)) return value.map((item) => fill(item, variables));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, fill(item, variables)]),
  );
}

function valueOf(name: string, variables: Variables): string {
  if (name === 'tenant') return variables.tenant;
  if (name === 'run') return variables.run;
  const [, kind, offsetMs] = /^(now|rfc3339)([+-]\d+)$/.exec(name) ?? [];
  const atMs = variables.nowMs + Number(offsetMs);
  if (kind === 'now') return String(atMs);
  if (kind === 'rfc3339') return new Date(atMs).toISOString();
  const saved = variables.saved.get(name);
  if (saved === undefined) throw new Error(`no step saved ${JSON.stringify(name)}`);
  return saved;
}

/**
 * The only file that builds and parses NATS subjects.
 *
 * Builders take branded tokens and check them again, because a space or line break in a subject is
 * a forged command for the server. Parsers answer undefined for whatever is not an exact shape.
 */
import type { CallerId, FunctionName, NodeId, ProcessId, TaskId, TenantId } from './ids';
import { asToken, isToken } from './ids';
import type { TaskClass } from './task-class';
import { TASK_CLASSES, isTaskClass } from './task-class';

const ROOT = 'llmos.v1';

/** Only these reply subjects are ever answered. */
const REPLY_PREFIXES = ['_INBOX.', '_R_.'] as const;

function subject(...tokens: readonly string[]): string {
  for (const token of tokens) asToken(token, 'subject token');
  return `${ROOT}.${tokens.join('.')}`;
}

export interface TaskSubject {
  readonly class: TaskClass;
  readonly tenant: TenantId;
  readonly function: FunctionName;
}
export interface TenantFunction {
  readonly tenant: TenantId;
  readonly function: FunctionName;
}
export interface TenantTask {
  readonly tenant: TenantId;
  readonly task: TaskId;
}
export interface TenantCaller {
  readonly tenant: TenantId;
  readonly caller: CallerId;
}
export interface NodeProcess {
  readonly node: NodeId;
  readonly process: ProcessId;
}
export interface SystemCall {
  /** A tenant, or `operator`. */
  readonly principal: TenantId;
  readonly call: string;
}

export const subjects = {
  task: (of: TaskSubject) => subject('task', of.class, of.tenant, of.function),
  submit: (of: TenantFunction) => subject('submit', of.tenant, of.function),
  call: (of: TenantFunction) => subject('call', of.tenant, of.function),
  result: (of: TenantTask) => subject('result', of.tenant, of.task),
  /** The short-lived counterpart of `result`: see result-place.ts. */
  answer: (of: TenantTask) => subject('answer', of.tenant, of.task),
  stream: (of: TenantTask) => subject('stream', of.tenant, of.task),
  cancel: (of: TenantTask) => subject('cancel', of.tenant, of.task),
  dead: (of: TenantFunction) => subject('dead', of.tenant, of.function),
  event: (of: { principal: string; entity: string; id: string; what: string }) =>
    subject('event', of.principal, of.entity, of.id, of.what),
  deliver: (of: { tenant: TenantId; client: string }) => subject('deliver', of.tenant, of.client),
  /** Where a client listens for as long as what is bound to it shall run. */
  caller: (of: TenantCaller) => subject('caller', of.tenant, of.caller),
  /** Where it answers what it hears there. */
  alive: (of: TenantCaller) => subject('alive', of.tenant, of.caller),
  sys: (of: SystemCall) => subject('sys', of.principal, of.call),
  mailbox: (of: NodeProcess) => subject('mailbox', of.node, of.process),
  report: (of: NodeProcess) => subject('report', of.node, of.process),
} as const;

/** Exact shapes with wildcards; never `>`, so that a wrong shape is refused at publish. */
export const patterns = {
  tasks: TASK_CLASSES.map((taskClass) => `${ROOT}.task.${taskClass}.*.*`),
  tasksOfClass: (taskClass: TaskClass) => `${ROOT}.task.${taskClass}.*.*`,
  submits: `${ROOT}.submit.*.*`,
  calls: `${ROOT}.call.*.*`,
  results: `${ROOT}.result.*.*`,
  resultsOf: (tenant: TenantId) => `${ROOT}.result.${asToken(tenant, 'tenant')}.*`,
  answers: `${ROOT}.answer.*.*`,
  answersOf: (tenant: TenantId) => `${ROOT}.answer.${asToken(tenant, 'tenant')}.*`,
  streams: `${ROOT}.stream.*.*`,
  cancels: `${ROOT}.cancel.*.*`,
  dead: `${ROOT}.dead.*.*`,
  deadOf: (tenant: TenantId) => `${ROOT}.dead.${asToken(tenant, 'tenant')}.*`,
  events: `${ROOT}.event.*.*.*.*`,
  /** Absent parts match everything. */
  eventsOf: (of: { principal?: string; entity?: string; id?: string }) => {
    const parts = [of.principal, of.entity, of.id].map((part) =>
      part === undefined ? '*' : asToken(part, 'part of an event subject'),
    );
    return `${ROOT}.event.${parts.join('.')}.*`;
  },
  alive: `${ROOT}.alive.*.*`,
  sys: `${ROOT}.sys.*.*`,
  reports: `${ROOT}.report.*.*`,
} as const;

function tokensAfter(kind: string, count: number, text: string): string[] | undefined {
  const parts = text.split('.');
  if (parts.length !== 3 + count || parts[0] !== 'llmos' || parts[1] !== 'v1') return undefined;
  if (parts[2] !== kind) return undefined;
  const tokens = parts.slice(3);
  return tokens.every(isToken) ? tokens : undefined;
}

export function parseTaskSubject(text: string): TaskSubject | undefined {
  const [taskClass, tenant, name] = tokensAfter('task', 3, text) ?? [];
  if (!isTaskClass(taskClass)) return undefined;
  return {
    class: taskClass,
    tenant: tenant as TenantId,
    function: name as FunctionName,
  };
}

/** Class and tenant of a task, also where its function is no token: whom to tell of it. */
export function parseTaskOwner(text: string): Pick<TaskSubject, 'class' | 'tenant'> | undefined {
  const parts = text.split('.');
  if (parts.length !== 6 || parts.slice(0, 3).join('.') !== `${ROOT}.task`) return undefined;
  const [, , , taskClass, tenant] = parts;
  if (!isTaskClass(taskClass) || !isToken(tenant)) return undefined;
  return { class: taskClass, tenant: tenant as TenantId };
}

export function parseTenantFunction(
  kind: 'submit' | 'call' | 'dead',
  text: string,
): TenantFunction | undefined {
  const tokens = tokensAfter(kind, 2, text);
  if (tokens === undefined) return undefined;
  return { tenant: tokens[0] as TenantId, function: tokens[1] as FunctionName };
}

export function parseTenantTask(
  kind: 'result' | 'answer' | 'stream' | 'cancel',
  text: string,
): TenantTask | undefined {
  const tokens = tokensAfter(kind, 2, text);
  if (tokens === undefined) return undefined;
  return { tenant: tokens[0] as TenantId, task: tokens[1] as TaskId };
}

export function parseTenantCaller(text: string): TenantCaller | undefined {
  const tokens = tokensAfter('alive', 2, text);
  if (tokens === undefined) return undefined;
  return { tenant: tokens[0] as TenantId, caller: tokens[1] as CallerId };
}

/** The principal, entity, id and what of an event. */
export function parseEventSubject(
  text: string,
): { principal: string; entity: string; id: string; what: string } | undefined {
  const tokens = tokensAfter('event', 4, text);
  if (tokens === undefined) return undefined;
  const [principal = '', entity = '', id = '', what = ''] = tokens;
  return { principal, entity, id, what };
}

export function parseSystemCall(text: string): SystemCall | undefined {
  const tokens = tokensAfter('sys', 2, text);
  if (tokens === undefined) return undefined;
  return { principal: tokens[0] as TenantId, call: tokens[1] as string };
}

export function parseNodeProcess(
  kind: 'mailbox' | 'report',
  text: string,
): NodeProcess | undefined {
  const tokens = tokensAfter(kind, 2, text);
  if (tokens === undefined) return undefined;
  return { node: tokens[0] as NodeId, process: tokens[1] as ProcessId };
}

/** Whether a reply subject may be answered: an inbox, without wildcards or spaces. */
export function isAnswerable(reply: string | undefined): reply is string {
  if (reply === undefined || reply.length > 256) return false;
  return REPLY_PREFIXES.some((prefix) => reply.startsWith(prefix)) && /^[\w$.-]+$/.test(reply);
}

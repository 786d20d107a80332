/**
 * `llmos.v1.sys.<principal>.<call>` and `llmos.v1.cancel.<tenant>.<task>`: the leader's alone.
 *
 * Started with each leadership and stopped with it. A mutating call answers after its write.
 */
import type {
  ErrorBody,
  Instant,
  LimitRow,
  Logger,
  ProcessId,
  Result,
  SystemCallName,
} from '@llmos/base';
import type { SystemCalls, SystemInfo, TaskId, TenantId } from '@llmos/base';
import {
  LlmosError,
  OPERATOR_CALLS,
  decodeJson,
  encodeJson,
  errorBody,
  failure,
  parseModelRef,
  parseSystemCall,
  parseTenantTask,
  patterns,
  quoteShort,
  success,
  toErrorBody,
} from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import type { KernelCore } from '../core';
import type { KernelEvent } from '../kernel-event';
import type { KernelCounters } from '../ports/kernel-counters';
import type { RegistryStore } from '../ports/registry-store';
import type { ForeignRequest, RequestLink, ServedSubject } from '../ports/request-link';
import type { Asked } from './asked';
import { askedOf } from './asked';
import type { AttachService } from './attach-service';
import type { ModelRegistrar } from './model-registration';
import type { Registry } from './registry';
import { SYSTEM_CALL_CHECKS, isSystemCall } from './request-schemas';
import { pageOfFunctions, pageOfModels, pageOfNodes, pageOfProcesses } from './system-lists';

export interface SystemServiceOptions {
  readonly requests: RequestLink;
  readonly core: Pick<KernelCore, 'processes' | 'nodes' | 'statusOf'>;
  readonly registry: Registry;
  readonly registrar: ModelRegistrar;
  readonly attachService: Pick<AttachService, 'attach'>;
  readonly store: Pick<RegistryStore, 'writeDesired'>;
  readonly deliver: (event: KernelEvent) => void;
  /** So many events wait that no cancel is taken any more. */
  readonly isFull: () => boolean;
  readonly now: () => Instant;
  readonly info: () => Promise<SystemInfo>;
  readonly limits: (tenant: TenantId) => readonly LimitRow[];
  /** False once this leadership has ended, or the kernel stops. */
  readonly isServing: () => boolean;
  /** False while its lease has lapsed: another kernel may lead by now. */
  readonly isLeading: () => boolean;
  readonly counters: KernelCounters;
  readonly log: Logger;
}

/** Who may make operator calls; `default` stands for the person at a laptop. */
const OPERATORS: ReadonlySet<string> = new Set(['operator', 'default']);

type Output<Name extends SystemCallName> = SystemCalls[Name]['output'];
type Handlers = {
  readonly [Name in SystemCallName]: (
    request: SystemCalls[Name]['request'],
    principal: TenantId,
  ) => Output<Name> | Promise<Output<Name>>;
};

export function startSystemService(options: SystemServiceOptions): ServedSubject {
  const handlers = handlersOf(options);
  const served = [
    options.requests.serve({
      pattern: patterns.sys,
      handle: (request) => handleCall(options, handlers, request),
    }),
    options.requests.serve({
      pattern: patterns.cancels,
      isAnswerOptional: true,
      handle: (request) => handleCancel(options, request),
    }),
  ];
  return {
    stop: async () => {
      await Promise.all(served.map((subject) => subject.stop()));
    },
  };
}

function handleCancel(options: SystemServiceOptions, request: ForeignRequest): void {
  const of = parseTenantTask('cancel', request.subject);
  if (of === undefined) {
    const message = `subject ${quoteShort(request.subject)}: tenant and task must be tokens`;
    return refuse(options, request, errorBody('INVALID_ARGUMENT', message));
  }
  if (!options.isServing()) return refuse(options, request, leadsNoMore());
  if (options.isFull())
    return options.isLeading() ? refuse(options, request, tooMany()) : undefined;
  options.deliver({ kind: 'cancel-requested', tenant: of.tenant, task: of.task });
  // Heeded if it leads again in a moment; if not, whoever leads then is who says so.
  if (!options.isLeading()) return;
  options.counters.add('requests', 'cancel');
  request.answer(encodeJson(success({ task: of.task })));
}

function handleCall(
  options: SystemServiceOptions,
  handlers: Handlers,
  request: ForeignRequest,
): void {
  const parsed = options.isServing() ? readCall(request) : leadsNoMore();
  if ('code' in parsed) return refuse(options, request, parsed);
  const { call, principal, value } = parsed;
  if (call === 'kill' && !options.isLeading()) return;
  // Each handler takes the request that its schema has just checked.
  const handler = handlers[call] as (value: unknown, principal: TenantId) => unknown;
  answerWith(options, {
    call,
    asked: askedOf(request),
    output: run(() => handler(value, principal)),
  });
}

async function run(handle: () => unknown): Promise<unknown> {
  return handle();
}

function answerWith(
  options: SystemServiceOptions,
  of: { readonly call: SystemCallName; readonly asked: Asked; readonly output: Promise<unknown> },
): void {
  const { call, asked } = of;
  of.output.then(
    (output) => {
      options.counters.add('requests', call);
      answer(options, asked, success(output));
    },
    (error: unknown) => refuse(options, asked, toErrorBody(error)),
  );
}

function readCall(
  request: ForeignRequest,
): ErrorBody | { call: SystemCallName; principal: TenantId; value: unknown } {
  const of = parseSystemCall(request.subject);
  if (of === undefined) {
    return errorBody('INVALID_ARGUMENT', `subject ${quoteShort(request.subject)} names no call`);
  }
  const { call, principal } = of;
  if (!isSystemCall(call)) {
    const known = [...SYSTEM_CALL_CHECKS.keys()].join(', ');
    return errorBody('UNIMPLEMENTED', `no system call ${quoteShort(call)}; there are ${known}`);
  }
  if (OPERATOR_CALLS.has(call) && !OPERATORS.has(principal)) {
    const message = `only an operator may call ${call}, not ${quoteShort(principal)}`;
    return errorBody('PERMISSION_DENIED', message);
  }
  const { length } = request.body;
  const most = EDGE_LIMITS[call === 'model-add' ? 'maxAddCallBytes' : 'maxSystemCallBytes'];
  if (length > most) {
    return errorBody('INVALID_ARGUMENT', `the request has ${length} bytes, at most ${most}`);
  }
  let value: unknown;
  try {
    value = length === 0 ? {} : decodeJson(request.body);
  } catch {
    return errorBody('INVALID_ARGUMENT', `the request of ${call} is not JSON`);
  }
  return SYSTEM_CALL_CHECKS.get(call)?.(value) ?? { call, principal, value };
}

function handlersOf(options: SystemServiceOptions): Handlers {
  const { core, registry, registrar, now } = options;
  const maxBytes = (): number => options.requests.maxAnswerBytes();
  return {
    ps: (request) => pageOfProcesses(core.processes(now()), request, maxBytes()),
    nodes: (request) => pageOfNodes(core.nodes(now()), request, maxBytes()),
    models: (request) => pageOfModels(registry.models(), request, maxBytes()),
    functions: (request) => pageOfFunctions(registry.functions(), request, maxBytes()),
    info: () => options.info(),
    limits: (_request, principal) => ({ limits: options.limits(principal) }),
    status: (request, principal) => core.statusOf(principal, request.task as TaskId),
    attach: (request, principal) => options.attachService.attach(request, principal),
    spawn: async (request) => {
      // What is not registered any more can still be stopped.
      const target =
        registry.resolveTarget(request.model) ??
        (request.replicas === 0 ? versionedTarget(request.model) : undefined);
      if (target === undefined) {
        throw new LlmosError('NOT_FOUND', `no model ${quoteShort(request.model)} is registered`);
      }
      const desired = { model: target, replicas: request.replicas };
      await options.store.writeDesired(desired);
      // The next leader may have read the wish that was there before.
      if (!options.isLeading()) throw LlmosError.fromBody(leadsNoMore());
      options.deliver({ kind: 'spawn-requested', request: desired });
      return desired;
    },
    kill: (request) => {
      if (!core.processes(now()).some((row) => row.pid === request.pid)) {
        throw new LlmosError('NOT_FOUND', `no process ${quoteShort(request.pid)}`);
      }
      options.deliver({ kind: 'kill-requested', pid: request.pid as ProcessId });
      return { pid: request.pid };
    },
    'model-add': (request) => registrar.add(request),
    'model-remove': (request) => registrar.remove(request),
  };
}

function tooMany(): ErrorBody {
  const details = { retryAfterMs: EDGE_LIMITS.retryAfterMs };
  return errorBody('RESOURCE_EXHAUSTED', 'too many events wait for the kernel', { details });
}

/** What it said would not be done. */
function leadsNoMore(): ErrorBody {
  return errorBody('UNAVAILABLE', 'the leader has changed meanwhile: ask again');
}

function versionedTarget(text: string): string | undefined {
  return parseModelRef(text)?.version === undefined ? undefined : text;
}

function answer(options: SystemServiceOptions, asked: Asked, result: Result): void {
  asked.answer(encodeJson(result));
  options.log.debug('request-answered', { subject: asked.subject });
}

function refuse(options: SystemServiceOptions, asked: Asked, error: ErrorBody): void {
  options.counters.add('requests_refused', error.code);
  options.log.debug('request-refused', { subject: asked.subject.slice(0, 256), error });
  asked.refuse(error, encodeJson(failure(error)));
}

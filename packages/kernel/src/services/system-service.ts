/**
 * System calls and cancels: the leader's alone.
 *
 * Started with each leadership and stopped with it. A mutating call answers after its write.
 */
import type { ErrorBody, Instant, LimitRow, Logger, ProcessId, SystemCallName } from '@llmos/base';
import type { SystemCalls, SystemInfo, TaskId, TenantId } from '@llmos/base';
import {
  LlmosError,
  OPERATOR_CALLS,
  decodeJson,
  errorBody,
  parseModelRef,
  quoteShort,
  toErrorBody,
} from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import type { KernelCore } from '../core';
import type { KernelEvent } from '../kernel-event';
import type { KernelCounters } from '../ports/kernel-counters';
import type { RegistryStore } from '../ports/registry-store';
import type { Principal } from '../ports/principal';
import type {
  Answering,
  AskedCancel,
  AskedSystemCall,
  ForeignRequest,
  RequestLink,
  RequestReading,
  ServedRequests,
} from '../ports/request-link';
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
  /** So many events wait that nothing is taken any more that makes one. */
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

/** Those that the loop hears of. */
const EVENT_CALLS: ReadonlySet<SystemCallName> = new Set(['spawn', 'kill']);

type Output<Name extends SystemCallName> = SystemCalls[Name]['output'];
type Handlers = {
  readonly [Name in SystemCallName]: (
    request: SystemCalls[Name]['request'],
    principal: Principal,
  ) => Output<Name> | Promise<Output<Name>>;
};

export function startSystemService(options: SystemServiceOptions): ServedRequests {
  const handlers = handlersOf(options);
  const { requests } = options;
  const served = [
    requests.serve('system', (request) => handleCall(options, handlers, request)),
    requests.serve('cancel', (request) => handleCancel(options, request)),
  ];
  return {
    stop: async () => {
      await Promise.all(served.map((kind) => kind.stop()));
    },
  };
}

function handleCancel(options: SystemServiceOptions, request: ForeignRequest<AskedCancel>): void {
  const reading = request.read();
  if (reading.kind === 'invalid') return refuse(options, request, reading.error);
  if (!options.isServing()) return refuse(options, request, leadsNoMore());
  if (options.isFull())
    return options.isLeading() ? refuse(options, request, tooMany()) : undefined;
  const { principal, task } = reading.asked;
  options.deliver({ kind: 'cancel-requested', tenant: principal.tenant, task });
  // Heeded if it leads again in a moment; if not, whoever leads then is who says so.
  if (!options.isLeading()) return;
  options.counters.add('requests', 'cancel');
  request.answer({ kind: 'output', output: { task } });
}

function handleCall(
  options: SystemServiceOptions,
  handlers: Handlers,
  request: ForeignRequest<AskedSystemCall>,
): void {
  const checked = options.isServing() ? checkCall(request.read()) : leadsNoMore();
  if ('code' in checked) return refuse(options, request, checked);
  const { call, principal, value } = checked;
  if (call === 'kill' && !options.isLeading()) return;
  if (EVENT_CALLS.has(call) && options.isFull()) return refuse(options, request, tooMany());
  // Each handler takes the request that its schema has just checked.
  const handler = handlers[call] as (value: unknown, principal: Principal) => unknown;
  const output = run(() => handler(value, principal));
  answerWith(options, { call, asked: request.answering(), output });
}

async function run(handle: () => unknown): Promise<unknown> {
  return handle();
}

function answerWith(
  options: SystemServiceOptions,
  of: {
    readonly call: SystemCallName;
    readonly asked: Answering;
    readonly output: Promise<unknown>;
  },
): void {
  const { call, asked } = of;
  of.output.then(
    (output) => {
      options.counters.add('requests', call);
      asked.answer({ kind: 'output', output });
      options.log.debug('request-answered', { subject: asked.label });
    },
    (error: unknown) => refuse(options, asked, toErrorBody(error)),
  );
}

function checkCall(
  reading: RequestReading<AskedSystemCall>,
): ErrorBody | { call: SystemCallName; principal: Principal; value: unknown } {
  if (reading.kind === 'invalid') return reading.error;
  const { call, principal, body } = reading.asked;
  if (!isSystemCall(call)) {
    const known = [...SYSTEM_CALL_CHECKS.keys()].join(', ');
    return errorBody('UNIMPLEMENTED', `no system call ${quoteShort(call)}; there are ${known}`);
  }
  if (OPERATOR_CALLS.has(call) && !principal.isOperator) {
    const message = `only an operator may call ${call}, not ${quoteShort(principal.tenant)}`;
    return errorBody('PERMISSION_DENIED', message);
  }
  const { length } = body;
  const most = EDGE_LIMITS[call === 'model-add' ? 'maxAddCallBytes' : 'maxSystemCallBytes'];
  if (length > most) {
    return errorBody('INVALID_ARGUMENT', `the request has ${length} bytes, at most ${most}`);
  }
  let value: unknown;
  try {
    value = length === 0 ? {} : decodeJson(body);
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
    limits: (_request, { tenant }) => ({ limits: options.limits(tenant) }),
    status: (request, { tenant }) => core.statusOf(tenant, request.task as TaskId),
    attach: (request, { tenant }) => options.attachService.attach(request, tenant),
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

function refuse(options: SystemServiceOptions, asked: Answering, error: ErrorBody): void {
  options.counters.add('requests_refused', error.code);
  options.log.debug('request-refused', { subject: asked.label, error });
  asked.answer({ kind: 'refused', error, format: 'json' });
}

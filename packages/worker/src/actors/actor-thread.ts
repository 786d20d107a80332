/**
 * Program of an actor thread: owns the sessions of one model, and each request from its `run` to its
 * answer (T1 … T6 of thread-protocol.ts). Requests run in steps, one after the other; what comes
 * while a step runs is more urgent, and runs as a step of its own between two model runs of that
 * one. Generations join those that run.
 *
 * Foreign bytes are decoded, checked, tokenised and run here, never on the thread that talks to the
 * network. Model runs block this thread; between them it hears messages, so cancels and urgent work
 * take effect within one model run.
 *
 * - A1: a request is open from the moment in which its message is heard, before anything runs.
 * - A2: whatever is thrown ends the requests of that step alone; those of others go on.
 * - A3: loads, steps and the close come one after the other (`work`); what interrupts a step runs
 *   inside it, in the order in which it came.
 */
import { isMainThread, parentPort, workerData, type MessagePort } from 'node:worker_threads';
import type { AttemptCost, ErrorBody } from '@llmos/base';
import { LlmosError, errorBody, isRecord } from '@llmos/base';
import { standBehind } from '../adapters/os/thread-niceness';
import { decodeProtobufBody, encodeProtobufResult } from '../adapters/protobuf/function-codec';
import { assertValueFits } from '../engine/requests/answer-room';
import type { CostMeterParts } from '../engine/cost-meter';
import { CostMeter } from '../engine/cost-meter';
import type { ContinuousEngine, EngineAnswer, EngineCalls, EngineRequest } from '../engine/engine';
import { failedAnswer } from '../engine/engine';
import { decodeJsonBody, encodeJsonResult } from '../engine/requests/json-body';
import { RequestReader, roomOf } from '../engine/requests/request-reader';
import { hideFolders } from '../models/hidden-folders';
import { loadError } from '../models/load-error';
import type { LoadedModel } from './load-model';
import { hiddenFoldersOf, loadModel } from './load-model';
import { MOST_COPIED_BYTES } from './thread-protocol';
import type {
  FromThread,
  ThreadAnswer,
  LoadOptions,
  ThreadRequest,
  ThreadRole,
  ToThread,
} from './thread-protocol';

class ActorThread {
  private model: LoadedModel | undefined;
  private readonly reader = new RequestReader(decodeBody);
  /** Of open requests: what crosses their answer asks for nothing. */
  private readonly demands = new Map<number, 'cancel' | 'preempt'>();
  private readonly open = new Map<number, ThreadRequest>();
  /** Given, and not sent yet: no model run begins before they are. */
  private answers: (ThreadAnswer & { readonly result: Uint8Array<ArrayBuffer> })[] = [];
  /** Of one core, until a model is loaded. */
  private costs = this.meterOf(1);
  /** Messages with requests, so far. */
  private heardRuns = 0;
  /** Steps under way: one, and those that interrupted it. */
  private steps = 0;
  /** What came while a step runs. */
  private readonly urgent: (readonly ThreadRequest[])[] = [];
  private isBusy = false;
  private isClosing = false;
  /** A3. */
  private work: Promise<void> = Promise.resolve();

  constructor(private readonly port: MessagePort) {}

  receive(message: ToThread): void {
    switch (message.kind) {
      case 'load':
        this.enqueue(() => this.load(message.options));
        return;
      case 'run':
        // A1: a cancel that follows at once is heard.
        for (const request of message.requests) this.open.set(request.requestId, request);
        this.costs.begin(...message.requests.map(({ requestId }) => requestId));
        this.heardRuns += 1;
        if (this.steps > 0) this.urgent.push(message.requests);
        else this.enqueue(() => this.run(message.requests));
        return;
      case 'cancel':
        // T5.
        if (!this.open.has(message.requestId)) return;
        this.demands.set(message.requestId, 'cancel');
        this.model?.engines.continuous?.engine.cancel(message.requestId);
        return;
      case 'preempt':
        if (!this.open.has(message.requestId)) return;
        // A cancel that came first holds.
        if (!this.demands.has(message.requestId)) this.demands.set(message.requestId, 'preempt');
        this.model?.engines.continuous?.engine.preempt(message.requestId);
        return;
      case 'close':
        this.isClosing = true;
        this.enqueue(() => this.close());
        return;
    }
  }

  private enqueue(job: () => Promise<void>): void {
    this.work = this.work.then(job);
  }

  private async load(options: LoadOptions): Promise<void> {
    const startedMs = performance.now();
    try {
      if (this.model !== undefined) throw new LlmosError('ALREADY_EXISTS', 'a model is loaded');
      // A run on another device keeps one core waiting.
      this.costs = this.meterOf(options.device === 'cpu' ? options.intraOpThreads : 1);
      if (options.niceness !== undefined) standBehind(options.niceness);
      this.model = await loadModel(options, this.costs);
      const { provider } = this.model.runner;
      this.post({ kind: 'loaded', provider, loadMs: performance.now() - startedMs });
    } catch (thrown) {
      const { code, message, retryable } = loadError(thrown);
      const shown = hideFolders(message, hiddenFoldersOf(options));
      this.post({ kind: 'load-failed', code, message: shown, retryable });
    }
  }

  /** What joins others begins here and goes on beside what comes next; anything else runs to its end. */
  private async run(requests: readonly ThreadRequest[]): Promise<void> {
    this.isBusy = true;
    await this.runGroups(requests);
    // What came too late to interrupt it.
    await this.runUrgent();
    this.tellIdle();
  }

  private async runUrgent(): Promise<void> {
    for (let next = this.urgent.shift(); next !== undefined; next = this.urgent.shift()) {
      await this.runGroups(next);
    }
  }

  private async runGroups(requests: readonly ThreadRequest[]): Promise<void> {
    for (const [functionName, group] of this.readAll(requests)) {
      const { continuous } = this.model?.engines ?? {};
      if (continuous?.function === functionName) this.join(continuous.engine, group);
      else await this.runStep(functionName, group);
    }
  }

  private join(engine: ContinuousEngine, group: readonly EngineRequest[]): void {
    engine.join(group, {
      answer: (requestId, answer) => this.answer(requestId, answer),
      chunk: (requestId, chunk) => this.post({ kind: 'chunk', requestId, chunk }),
      began: (requestId) => this.post({ kind: 'began', requestId }),
      preempted: (requestId, tokens, text) => {
        const cost = this.forget(requestId);
        this.post({ kind: 'preempted', requestId, tokens, text, ...cost });
      },
      // Told after the last answer too.
      contexts: (counts) => {
        this.post({ kind: 'contexts', counts });
        this.tellIdle();
      },
      pause: turnOfEvents,
      nowMs: () => performance.now(),
    });
    // What was asked of them while they waited to be read.
    for (const { requestId } of group) {
      if (this.isClosing || this.demands.get(requestId) === 'cancel') engine.cancel(requestId);
      else if (this.demands.has(requestId)) engine.preempt(requestId);
    }
  }

  private async runStep(functionName: string, group: readonly EngineRequest[]): Promise<void> {
    const calls: EngineCalls = {
      answer: (requestId, answer) => this.answer(requestId, answer),
      chunk: (requestId, chunk) => this.post({ kind: 'chunk', requestId, chunk }),
      isCancelled: (requestId) => this.isClosing || this.demands.get(requestId) === 'cancel',
      giveWay: async (before) => {
        this.sendAnswers();
        await turnOfEvents();
        if (this.urgent.length === 0) return;
        before?.();
        await this.runUrgent();
        this.sendAnswers();
      },
    };
    this.steps += 1;
    try {
      await this.engineOf(functionName).run(group, calls);
    } catch (thrown) {
      // A2: those that the engine left open; the others have their answer already.
      for (const { requestId } of group) this.answer(requestId, failedAnswer(thrown));
    } finally {
      this.steps -= 1;
    }
    const error = errorBody('INTERNAL', 'no answer was given');
    for (const { requestId } of group) this.answer(requestId, { kind: 'failed', error });
  }

  /** The readable requests by function; the others are answered. */
  private readAll(requests: readonly ThreadRequest[]): Map<string, EngineRequest[]> {
    const groups = new Map<string, EngineRequest[]>();
    for (const request of requests) {
      try {
        const read = this.reader.read(request);
        groups.set(request.function, [...(groups.get(request.function) ?? []), read]);
      } catch (thrown) {
        this.answer(request.requestId, failedAnswer(thrown));
      }
    }
    return groups;
  }

  private engineOf(functionName: string) {
    if (this.model === undefined) throw new LlmosError('FAILED_PRECONDITION', 'no model is loaded');
    const { stepped, continuous } = this.model.engines;
    const engine = stepped.get(functionName);
    if (engine !== undefined) return engine;
    const own = continuous === undefined ? [] : [continuous.function];
    const served = [...stepped.keys(), ...own].join(' and ');
    throw new LlmosError('INVALID_ARGUMENT', `this model serves ${served}, not ${functionName}`);
  }

  private answer(requestId: number, answer: EngineAnswer): void {
    const request = this.open.get(requestId);
    if (request === undefined) return;
    const cost = this.forget(requestId);
    const { result, error } = encodeAnswer(request, answer);
    const own = ownBuffer(result);
    const tokens = answer.kind === 'done' ? answer.tokens : undefined;
    this.answers.push({
      requestId,
      result: own,
      ...cost,
      ...(tokens === undefined ? {} : { tokens }),
      ...(error === undefined ? {} : { error }),
    });
    // Sent sooner where a model run follows, something else is said, or all is answered.
    if (this.answers.length === 1) setImmediate(() => this.sendAnswers());
  }

  private sendAnswers(): void {
    if (this.answers.length > 0) this.sendWithAnswers((answers) => ({ kind: 'answered', answers }));
  }

  private sendWithAnswers(messageOf: (answers: readonly ThreadAnswer[]) => FromThread): void {
    const { answers } = this;
    this.answers = [];
    const large = answers.filter(({ result }) => result.length > MOST_COPIED_BYTES);
    const transfer = large.map(({ result }) => result.buffer);
    this.port.postMessage(messageOf(answers), transfer);
  }

  private forget(requestId: number): { readonly cost?: AttemptCost } {
    this.open.delete(requestId);
    this.demands.delete(requestId);
    const cost = this.costs.end(requestId);
    return cost === undefined ? {} : { cost };
  }

  private meterOf(cores: number): CostMeter {
    const tell: CostMeterParts['tell'] = (costs) => this.post({ kind: 'costs', costs });
    return new CostMeter({ nowMs: () => performance.now(), cores, tell });
  }

  /** Once for each time that something was open. */
  private tellIdle(): void {
    if (!this.isBusy || this.open.size > 0) return;
    this.isBusy = false;
    const { heardRuns } = this;
    this.sendWithAnswers((answers) => ({ kind: 'idle', heardRuns, answers }));
  }

  private async close(): Promise<void> {
    try {
      await this.model?.engines.continuous?.engine.close();
      await this.model?.copier?.close();
      await this.model?.runner.close();
    } finally {
      this.post({ kind: 'closed' });
      this.port.close();
    }
  }

  private post(message: FromThread): void {
    // Nothing overtakes an answer (T2).
    this.sendAnswers();
    this.port.postMessage(message);
  }
}

/** Lets messages in. */
function turnOfEvents(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function decodeBody(request: ThreadRequest): unknown {
  return request.format === 'json'
    ? decodeJsonBody(request.body)
    : decodeProtobufBody(request.function, request.body);
}

interface EncodedAnswer {
  readonly result: Uint8Array;
  readonly error?: ErrorBody;
}

function encodeAnswer(request: ThreadRequest, answer: EngineAnswer): EncodedAnswer {
  const encode = (encoded: EngineAnswer): EncodedAnswer => ({
    result:
      request.format === 'json'
        ? encodeJsonResult(encoded, roomOf(request))
        : encodeProtobufResult(request.function, encoded),
    ...(encoded.kind === 'failed' ? { error: encoded.error } : {}),
  });
  try {
    if (answer.kind === 'done' && answer.output.kind === 'value') {
      assertValueFits(answer.output.value, roomOf(request));
    }
    return encode(answer);
  } catch (thrown) {
    if (thrown instanceof LlmosError) return encode(failedAnswer(thrown));
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    const error = errorBody('OUT_OF_RANGE', `the result can't be written: ${reason}`);
    return encode({ kind: 'failed', error });
  }
}

/** Only a buffer that holds nothing else may be transferred; of another, all would be copied. */
function ownBuffer(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  const isOwn = buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength;
  return isOwn ? new Uint8Array(buffer) : new Uint8Array(bytes);
}

function isActorRole(role: unknown): role is ThreadRole {
  return isRecord(role) && role['role'] === ('llmos-actor-thread' satisfies ThreadRole['role']);
}

if (isMainThread || parentPort === null || !isActorRole(workerData)) {
  throw new Error('this program runs as an actor thread only');
}
const thread = new ActorThread(parentPort);
parentPort.on('message', (message: ToThread) => thread.receive(message));

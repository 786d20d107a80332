/**
 * Program of an actor thread: owns the sessions of one model and runs one step at a time.
 *
 * Foreign bytes are decoded, checked, tokenised and run here, never on the thread that talks to the
 * network. Model runs block this thread; between them it hears messages, so a cancel takes effect
 * within one model run. Each request of a step is answered once, whatever happens to the others.
 */
import type { MessagePort } from 'node:worker_threads';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import type { ErrorBody, GenerateOutput } from '@llmos/base';
import { LlmosError, errorBody, isRecord, toErrorBody } from '@llmos/base';
import { openOnnxRunner } from '../adapters/onnxruntime/onnx-runner';
import { scanGraph } from '../adapters/onnxruntime/graph-scan';
import { readPackageDocuments } from '../adapters/package-files/model-documents-reader';
import { decodeProtobufBody, encodeProtobufResult } from '../adapters/protobuf/function-codec';
import { openTokenizer } from '../adapters/tokenizers/hugging-face-tokenizer';
import { openChatTemplate } from '../adapters/tokenizers/jinja-chat-template';
import type { EngineAnswer, EngineCalls, EngineRequest } from '../engine/engine';
import { failedAnswer, valueAnswer } from '../engine/engine';
import { decodeJsonBody, encodeJsonResult } from '../engine/json-body';
import type { ModelEngines } from '../engine/model-engines';
import { openEngines } from '../engine/model-engines';
import { RequestReader } from '../engine/request-reader';
import { externalPaths } from '../models/external-files';
import { isPackagePath } from '../models/manifest-fields';
import type { ModelRunner } from '../ports/model-runner';
import type {
  FromThread,
  LoadOptions,
  ThreadAnswer,
  ThreadRequest,
  ThreadRole,
  ToThread,
} from './thread-protocol';

interface LoadedModel {
  readonly runner: ModelRunner;
  readonly engines: ModelEngines;
}

async function loadModel(options: LoadOptions): Promise<LoadedModel> {
  const { manifest, packageFolder } = options;
  if (!isPackagePath(manifest.graph)) {
    throw new LlmosError('INVALID_ARGUMENT', 'the manifest names a graph outside the package');
  }
  const graphFile = `${packageFolder}/${manifest.graph}`;
  const graph = scanGraph(graphFile, manifest.graph);
  externalPaths(manifest.graph, graph.externalFiles);
  const documents = readPackageDocuments(packageFolder);
  const readsTexts = manifest.task !== 'infer';
  const chatTemplate = manifest.task === 'generate' ? openChatTemplate(documents) : undefined;
  const presents = graph.outputs.map((spec) => spec.name).filter((name) => /^present/.test(name));
  const runner = await openOnnxRunner({
    graphFile,
    device: options.device,
    intraOpThreads: options.intraOpThreads,
    // A round trip of the keys and values through the host would cost more than the step.
    ...(options.device.startsWith('webgpu') && manifest.task === 'generate'
      ? { deviceOutputs: presents }
      : {}),
  });
  try {
    const engines = openEngines({
      manifest,
      documents,
      graph,
      runner,
      ...(readsTexts ? { tokenizer: openTokenizer(documents) } : {}),
      ...(chatTemplate === undefined ? {} : { chatTemplate }),
    });
    return { runner, engines };
  } catch (thrown) {
    await runner.close();
    throw thrown;
  }
}

class ActorThread {
  private model: LoadedModel | undefined;
  private readonly reader = new RequestReader(decodeBody);
  private readonly cancelled = new Set<number>();
  private open = new Map<number, ThreadRequest>();
  private isClosing = false;
  /** Loads, steps and the close, one after the other. */
  private work: Promise<void> = Promise.resolve();

  constructor(private readonly port: MessagePort) {}

  receive(message: ToThread): void {
    switch (message.kind) {
      case 'load':
        this.enqueue(() => this.load(message.options));
        return;
      case 'run':
        this.enqueue(() => this.run(message.requests));
        return;
      case 'cancel':
        this.cancelled.add(message.requestId);
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
      this.model = await loadModel(options);
      const { provider } = this.model.runner;
      this.post({ kind: 'loaded', provider, loadMs: performance.now() - startedMs });
    } catch (thrown) {
      const { code, message } = toErrorBody(thrown);
      this.post({ kind: 'load-failed', code, message });
    }
  }

  private async run(requests: readonly ThreadRequest[]): Promise<void> {
    this.open = new Map(requests.map((request) => [request.requestId, request]));
    const calls: EngineCalls = {
      answer: (requestId, answer) => this.answer(requestId, answer),
      chunk: (requestId, chunk) => this.post({ kind: 'chunk', requestId, chunk }),
      isCancelled: (requestId) => this.isClosing || this.cancelled.has(requestId),
    };
    for (const [functionName, group] of this.readAll(requests)) {
      try {
        await this.engineOf(functionName).run(group, calls);
      } catch (thrown) {
        // Those that the engine left open; the others have their answer already.
        for (const { requestId } of group) this.answer(requestId, failedAnswer(thrown));
      }
    }
    for (const requestId of [...this.open.keys()]) {
      this.answer(requestId, {
        kind: 'failed',
        error: errorBody('INTERNAL', 'no answer was given'),
      });
    }
    this.cancelled.clear();
    this.post({ kind: 'idle' });
  }

  /** The readable requests by function; the others are answered. */
  private readAll(requests: readonly ThreadRequest[]): Map<string, EngineRequest[]> {
    const groups = new Map<string, EngineRequest[]>();
    for (const request of requests) {
      try {
        const read = this.reader.read(request);
        if (request.function === 'echo') {
          this.answer(request.requestId, valueAnswer(read.input));
          continue;
        }
        groups.set(request.function, [...(groups.get(request.function) ?? []), read]);
      } catch (thrown) {
        this.answer(request.requestId, failedAnswer(thrown));
      }
    }
    return groups;
  }

  private engineOf(functionName: string) {
    if (this.model === undefined) throw new LlmosError('FAILED_PRECONDITION', 'no model is loaded');
    const engine = this.model.engines.get(functionName);
    if (engine !== undefined) return engine;
    const served = [...this.model.engines.keys()].join(' and ');
    throw new LlmosError('INVALID_ARGUMENT', `this model serves ${served}, not ${functionName}`);
  }

  private answer(requestId: number, answer: EngineAnswer): void {
    const request = this.open.get(requestId);
    if (request === undefined) return;
    this.open.delete(requestId);
    const { result, error } = encodeAnswer(request, answer);
    const own = ownBuffer(result);
    const tokens = tokensOf(request, answer);
    this.post(
      {
        kind: 'answered',
        answer: {
          requestId,
          result: own,
          ...(tokens === undefined ? {} : { tokens }),
          ...(error === undefined ? {} : { error }),
        },
      },
      [own.buffer],
    );
  }

  private async close(): Promise<void> {
    try {
      await this.model?.runner.close();
    } finally {
      this.post({ kind: 'closed' });
      this.port.close();
    }
  }

  private post(message: FromThread, transfer: readonly ArrayBuffer[] = []): void {
    this.port.postMessage(message, [...transfer]);
  }
}

function decodeBody(request: ThreadRequest): unknown {
  return request.format === 'json'
    ? decodeJsonBody(request.body)
    : decodeProtobufBody(request.function, request.body);
}

function tokensOf(request: ThreadRequest, answer: EngineAnswer): ThreadAnswer['tokens'] {
  if (request.function !== 'generate' || answer.kind !== 'done') return undefined;
  if (answer.output.kind !== 'value') return undefined;
  const { tokens, promptTokens } = answer.output.value as GenerateOutput;
  const resumed = request.resumeTokens?.length ?? 0;
  return { promptTokens, generatedTokens: Math.max(0, tokens.length - resumed) };
}

interface EncodedAnswer {
  readonly result: Uint8Array;
  readonly error?: ErrorBody;
}

function encodeAnswer(request: ThreadRequest, answer: EngineAnswer): EncodedAnswer {
  const encode = (encoded: EngineAnswer): EncodedAnswer => ({
    result:
      request.format === 'json'
        ? encodeJsonResult(encoded)
        : encodeProtobufResult(request.function, encoded),
    ...(encoded.kind === 'failed' ? { error: encoded.error } : {}),
  });
  try {
    return encode(answer);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    const error = errorBody('OUT_OF_RANGE', `the result can't be written: ${reason}`);
    return encode({ kind: 'failed', error });
  }
}

/** Only a buffer that holds nothing else may be transferred. */
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

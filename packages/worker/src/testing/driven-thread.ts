/** For tests: the other end of `actor-thread-driver`. Waits are bounded and say what was missing. */
import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GenerateChunk, ModelManifest, Result } from '@llmos/base';
import { LlmosError, encodeJson, parseResult } from '@llmos/base';
import type {
  ContextCounts,
  FromThread,
  GenerationBounds,
  ThreadRequest,
  ToThread,
} from '../actors/thread-protocol';
import { readPackageFolder } from '../adapters/package-files/package-folder';
import { onnxEnvironment } from '../adapters/os/onnx-environment';

const DRIVER = join(__dirname, '..', '..', 'dist', 'testing', 'actor-thread-driver.js');
const LIMIT_MS = 120_000;

export interface DrivenOptions {
  readonly device?: string;
  /** Path of the graph inside the folder. */
  readonly graph?: string;
  readonly manifest?: Partial<ModelManifest>;
  readonly intraOpThreads?: number;
  readonly generation?: Partial<GenerationBounds>;
}

const BOUNDS: GenerationBounds = { maxRows: 16, maxSavedBytes: 2 ** 26, maxPrefixBytes: 2 ** 26 };

export interface StepResult {
  /** By request id, as sent: an id that is answered twice is there twice. */
  readonly answers: readonly { readonly requestId: number; readonly result: Uint8Array }[];
  readonly chunks: readonly { readonly requestId: number; readonly chunk: GenerateChunk }[];
  /** Generations that were given back, with the tokens that they had. */
  readonly preempted: readonly { readonly requestId: number; readonly tokens: readonly number[] }[];
}

export type RequestOptions = Partial<Omit<ThreadRequest, 'requestId' | 'function' | 'body'>>;

export function jsonRequest(
  requestId: number,
  functionName: string,
  input: unknown,
  options: RequestOptions = {},
): ThreadRequest {
  return {
    requestId,
    function: functionName,
    format: 'json',
    body: encodeJson(input),
    stream: false,
    seedText: `tenant/${requestId}`,
    class: 'standard',
    priority: 5,
    sequence: requestId,
    ...options,
  };
}

export class DrivenThread {
  private readonly child: ChildProcess;
  private listener: (message: FromThread) => void = () => undefined;
  private nextId = 1;
  /** Sent while others ran, and not answered. */
  private readonly joined = new Set<number>();
  /** What a thread that generates told last. */
  contexts: ContextCounts | undefined;

  constructor() {
    if (!existsSync(DRIVER)) throw new Error(`${DRIVER} is absent: build the worker first`);
    this.child = fork(DRIVER, {
      serialization: 'advanced',
      stdio: 'ignore',
      env: onnxEnvironment(),
    });
    this.child.on('message', (message: FromThread | 'collected') => {
      if (message === 'collected') return;
      if (message.kind === 'contexts') this.contexts = message.counts;
      this.listener(message);
    });
  }

  static async load(folder: string, options: DrivenOptions = {}): Promise<DrivenThread> {
    const { manifest } = readPackageFolder(folder, options.graph);
    const thread = new DrivenThread();
    try {
      await thread.load(folder, { ...manifest, ...options.manifest }, options.device, options);
    } catch (thrown) {
      thread.stop();
      throw thrown;
    }
    return thread;
  }

  async load(
    folder: string,
    manifest: ModelManifest,
    device = 'cpu',
    more: Pick<DrivenOptions, 'generation' | 'intraOpThreads'> = {},
  ): Promise<string> {
    const options = {
      ...{ packageFolder: folder, manifest, device },
      intraOpThreads: more.intraOpThreads ?? 1,
      generation: { ...BOUNDS, ...more.generation },
    };
    return this.exchange('loaded', { kind: 'load', options }, (message, resolve) => {
      if (message.kind === 'loaded') resolve(message.provider);
      if (message.kind === 'load-failed') throw LlmosError.fromBody(message);
    });
  }

  /** One step, and what joins it. `onChunk` may cancel. */
  async run(
    requests: readonly ThreadRequest[],
    onChunk: (requestId: number, chunk: GenerateChunk) => void = () => undefined,
  ): Promise<StepResult> {
    const answers: { requestId: number; result: Uint8Array }[] = [];
    const chunks: { requestId: number; chunk: GenerateChunk }[] = [];
    const preempted: { requestId: number; tokens: readonly number[] }[] = [];
    return this.exchange('idle', { kind: 'run', requests }, (message, resolve) => {
      if (message.kind === 'answered' || message.kind === 'idle') {
        answers.push(...message.answers);
        for (const { requestId } of message.answers) this.joined.delete(requestId);
      }
      if (message.kind === 'chunk') {
        chunks.push(message);
        onChunk(message.requestId, message.chunk);
      }
      if (message.kind === 'preempted') {
        preempted.push(message);
        this.joined.delete(message.requestId);
      }
      // The thread may have been idle for a moment before it heard of those that join.
      if (message.kind === 'idle' && this.joined.size === 0) {
        resolve({ answers, chunks, preempted });
      }
    });
  }

  /** One request alone; throws its typed error. */
  async ask<Output>(
    functionName: string,
    input: unknown,
    options: RequestOptions = {},
  ): Promise<Output> {
    const requestId = this.nextId++;
    const { answers } = await this.run([jsonRequest(requestId, functionName, input, options)]);
    const result = parseResult(answers[0]?.result ?? new Uint8Array()) as Result<Output>;
    if (!result.ok) throw LlmosError.fromBody(result.error);
    return result.output;
  }

  /** Memory of its process without its garbage; undefined where the system does not tell. */
  async residentBytes(): Promise<number | undefined> {
    const collected = new Promise<void>((resolve) => {
      const hear = (message: unknown): void => {
        if (message !== 'collected') return;
        this.child.off('message', hear);
        resolve();
      };
      this.child.on('message', hear);
    });
    this.child.send('collect');
    await collected;
    const file = `/proc/${this.child.pid}/status`;
    if (!existsSync(file)) return undefined;
    const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(file, 'utf8'));
    return line?.[1] === undefined ? undefined : Number(line[1]) * 1024;
  }

  send(message: ToThread): void {
    if (message.kind === 'run') {
      for (const { requestId } of message.requests) this.joined.add(requestId);
    }
    this.child.send(message);
  }

  async close(): Promise<void> {
    await this.exchange<undefined>('closed', { kind: 'close' }, (message, resolve) => {
      if (message.kind === 'closed') resolve(undefined);
    });
    this.stop();
  }

  stop(): void {
    this.child.kill('SIGKILL');
  }

  private exchange<Outcome>(
    what: string,
    message: ToThread,
    hear: (message: FromThread, resolve: (outcome: Outcome) => void) => void,
  ): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => {
        finish();
        reject(error);
      };
      const timer = setTimeout(() => fail(new Error(`no "${what}" in ${LIMIT_MS} ms`)), LIMIT_MS);
      const ended = (): void => fail(new Error(`the thread's process ended before "${what}"`));
      const finish = (): void => {
        clearTimeout(timer);
        this.child.off('exit', ended);
      };
      this.child.once('exit', ended);
      this.listener = (heard) => {
        try {
          hear(heard, (outcome) => {
            finish();
            resolve(outcome);
          });
        } catch (thrown) {
          fail(thrown as Error);
        }
      };
      this.send(message);
    });
  }
}

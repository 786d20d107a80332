/**
 * Program: checks the package named by its argument and answers with one line of JSON,
 * `{"ok":true,…}` or `{"ok":false,"error":{…}}`. Progress goes to the starter over IPC.
 */
import { join } from 'node:path';
import type { ModelManifest } from '@llmos/base';
import {
  LlmosError,
  decodeJson,
  encodeJson,
  failure,
  isRecord,
  parseResult,
  toErrorBody,
} from '@llmos/base';
import { answerAsked, endWith } from './answer-program';
import { ThreadClient } from '../actors/thread-client';
import { systemAlarm } from '../adapters/os/system-alarm';
import {
  hashFiles,
  packageDigest,
  readPackageFolder,
} from '../adapters/package-files/package-folder';
import { sampleInput } from './sample-input';
import { CHECK_LIMITS } from '../limits';
import { readsTexts } from '../models/model-tasks';
import { assertPackageFiles } from '../models/package-path';
import type { PackageDescription } from './package-check';
import type { TensorSpec } from '../ports/model-runner';

interface CheckRequest {
  readonly folder: string;
  readonly device: string;
  readonly graph?: string;
}

const THREADS = 2;

function tell(step: string): void {
  if (process.connected) process.send?.({ step });
}

async function check(request: CheckRequest): Promise<PackageDescription> {
  const { folder, device } = request;
  tell('reading');
  const { manifest, graph, paths } = readPackageFolder(folder, request.graph);
  const files = await hashFiles(folder, paths, (path) => tell(`hashing ${path}`));
  assertPackageFiles(files);
  tell('loading');
  const { provider, footprintBytes } = await tryOut({
    folder,
    device,
    manifest,
    inputs: graph.inputs,
  });
  const digest = packageDigest(files);
  const { inputs, outputs } = graph;
  return { manifest, files, digest, footprintBytes, inputs, outputs, provider };
}

interface TryOut {
  readonly folder: string;
  readonly device: string;
  readonly manifest: ModelManifest;
  readonly inputs: readonly TensorSpec[];
}

async function tryOut(options: TryOut): Promise<{ provider: string; footprintBytes: number }> {
  const { folder, device, manifest } = options;
  const thread = new ThreadClient({
    name: 'check',
    entry: join(__dirname, '..', 'actors', 'actor-thread.js'),
    alarm: systemAlarm,
    limits: CHECK_LIMITS,
    onDeath: ({ message }) => endWith(failure(toErrorBody(new LlmosError('INTERNAL', message)))),
  });
  const { provider } = await thread.load({
    packageFolder: folder,
    manifest,
    device,
    intraOpThreads: THREADS,
  });
  tell('running one step');
  await runOneStep(thread, options);
  const footprintBytes = process.memoryUsage.rss();
  await thread.close();
  return { provider, footprintBytes };
}

/** Throws the error of the step, as the check's own. */
async function runOneStep(thread: ThreadClient, options: TryOut): Promise<void> {
  const { manifest, inputs } = options;
  let result: Uint8Array | undefined;
  await thread.run(
    [
      {
        requestId: 1,
        function: manifest.task,
        format: 'json',
        body: encodeJson(sampleInput(manifest, inputs)),
        stream: false,
        seedText: 'check',
        class: 'standard',
        priority: 5,
        sequence: 1,
      },
    ],
    {
      cost: () => undefined,
      chunk: () => undefined,
      answered: (answer) => {
        result = answer.result;
      },
    },
  );
  const outcome = parseResult(result ?? new Uint8Array());
  if (outcome.ok) return;
  const { code, message } = outcome.error;
  // Zeros need not be an input that a model can make sense of: it ran, and that is enough.
  if (!readsTexts(manifest.task) && code === 'INVALID_ARGUMENT') return;
  throw new LlmosError(code, `one step of the model failed: ${message}`);
}

function readRequest(text: string | undefined): CheckRequest {
  const value = decodeJson(new TextEncoder().encode(text ?? ''));
  if (!isRecord(value) || typeof value['folder'] !== 'string') {
    throw new LlmosError('INVALID_ARGUMENT', 'the argument is no request for a check');
  }
  const { folder, device, graph } = value;
  return {
    folder,
    device: typeof device === 'string' ? device : 'cpu',
    ...(typeof graph === 'string' ? { graph } : {}),
  };
}

void answerAsked((request) => check(readRequest(request)));

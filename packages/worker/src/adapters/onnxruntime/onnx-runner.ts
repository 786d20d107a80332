/**
 * The model runner on onnxruntime-node. Settings measured on version 1.30: worker threads that spin
 * without an end cost three to five times the CPU for nothing; float16 travels as bit patterns;
 * preallocated outputs are filled in place on the CPU only.
 */
import { dirname, resolve } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { TensorType } from '@llmos/base';
import { LlmosError, TENSOR_TYPES } from '@llmos/base';
import type {
  DeviceTensor,
  HostTensor,
  ModelRunner,
  RunRequest,
  RunnerTensor,
  TensorElements,
  TensorSpec,
} from '../../ports/model-runner';
import type { GraphSource, PreparedGraph } from './prepare-graph';
import { bufferFreer } from './free-buffer';
import { plainGraph, prepareGraph } from './prepare-graph';
import { reasonOf, runError } from './runtime-error';

export interface OnnxRunnerOptions extends GraphSource {
  /** Full path: files of external weights are found beside it. Or the bytes of a graph. */
  readonly graphFile: string | Uint8Array;
  /** `cpu`, `webgpu:0`, `cuda:0`. */
  readonly device: string;
  readonly intraOpThreads: number;
  /** Outputs that stay on the device, if it has memory of its own. */
  readonly deviceOutputs?: readonly string[];
  /**
   * Memory of a run goes back to the system after it, for graphs whose runs callers may make as
   * large as they like. Costs large runs 2 to 10 %, so the others keep what their largest run took.
   */
  readonly returnsMemory?: boolean;
  /** Folders of this machine that errors don't name, beside the graph's own. */
  readonly hiddenFolders?: readonly string[];
}

/**
 * Threads of a run wait for each other by spinning, for a moment, and not beyond the run: spinning
 * without an end takes the cores from others, sleeping at once makes each step wait for a wake-up.
 */
const THREAD_WAITS = {
  'session.intra_op.spin_duration_us': '100',
  'session.force_spinning_stop': '1',
} as const;

export async function openOnnxRunner(options: OnnxRunnerOptions): Promise<ModelRunner> {
  const prepared = prepareGraph(options);
  try {
    return await openPrepared(prepared, options);
  } catch (thrown) {
    if (prepared.graph === options.graphFile) throw thrown;
    // Whatever the edited graph has that this runtime does not like: the original decides.
    return openPrepared(plainGraph(options.graphFile), options);
  }
}

async function openPrepared(
  prepared: PreparedGraph,
  options: OnnxRunnerOptions,
): Promise<ModelRunner> {
  const { provider, executionProvider } = parseDevice(options.device);
  const folders = hiddenFoldersOf(options);
  try {
    const session = await createSession(prepared.graph, {
      executionProviders: [executionProvider],
      intraOpNumThreads: Math.max(1, options.intraOpThreads),
      interOpNumThreads: 1,
      logSeverityLevel: 3,
      enableCpuMemArena: options.returnsMemory !== true,
      extra: { ...THREAD_WAITS, ...prepared.settings },
      // Tried on WebGPU alone: on other devices every output comes to the host.
      ...(provider === 'webgpu' ? locations(options.deviceOutputs ?? []) : {}),
    });
    return new OnnxRunner(session, provider, { addedInput: prepared.addedInput, folders });
  } catch (thrown) {
    const reason = reasonOf(thrown, folders);
    throw new LlmosError('FAILED_PRECONDITION', `the graph can't be loaded: ${reason}`, {
      cause: thrown,
    });
  }
}

function hiddenFoldersOf(options: OnnxRunnerOptions): readonly string[] {
  const { graphFile, weightsFolder, hiddenFolders = [] } = options;
  const own = typeof graphFile === 'string' ? [resolve(dirname(graphFile))] : [];
  return [...hiddenFolders, ...own, ...(weightsFolder === undefined ? [] : [weightsFolder])];
}

function createSession(
  graph: string | Uint8Array,
  options: InferenceSession.SessionOptions,
): Promise<InferenceSession> {
  return typeof graph === 'string'
    ? InferenceSession.create(graph, options)
    : InferenceSession.create(graph, options);
}

type ExecutionProvider = InferenceSession.ExecutionProviderConfig;

function parseDevice(device: string): { provider: string; executionProvider: ExecutionProvider } {
  const [provider, index, ...rest] = device.split(':');
  const isKnown = provider === 'cpu' || provider === 'webgpu' || provider === 'cuda';
  const deviceId = Number(index ?? 0);
  if (!isKnown || rest.length > 0 || !Number.isSafeInteger(deviceId) || deviceId < 0) {
    throw new LlmosError('INVALID_ARGUMENT', `device ${JSON.stringify(device)} is not known`);
  }
  const executionProvider = provider === 'cuda' ? { name: provider, deviceId } : { name: provider };
  return { provider, executionProvider: executionProvider };
}

function locations(
  outputs: readonly string[],
): Pick<InferenceSession.SessionOptions, 'preferredOutputLocation'> {
  if (outputs.length === 0) return {};
  const entries = outputs.map((name) => [name, 'gpu-buffer' as const]);
  return {
    preferredOutputLocation: Object.fromEntries(entries) as Record<string, 'gpu-buffer'>,
  };
}

class OnnxRunner implements ModelRunner {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  private session: InferenceSession | undefined;
  private readonly targets = new WeakMap<HostTensor, Tensor>();
  private readonly free = bufferFreer();

  private readonly addedInput: string | undefined;

  constructor(
    session: InferenceSession,
    readonly provider: string,
    private readonly parts: {
      readonly addedInput: string | undefined;
      readonly folders: readonly string[];
    },
  ) {
    const { addedInput } = parts;
    this.addedInput = addedInput;
    this.session = session;
    this.inputs = session.inputMetadata
      .map(toSpec)
      .map((spec) => (spec.name === addedInput ? { ...spec, isOptional: true } : spec));
    this.outputs = session.outputMetadata.map(toSpec);
  }

  async run(request: RunRequest): Promise<ReadonlyMap<string, RunnerTensor>> {
    if (this.session === undefined) throw new LlmosError('UNAVAILABLE', 'the model is closed');
    const feeds: Record<string, Tensor> = {};
    for (const [name, tensor] of request.inputs) feeds[name] = this.known(tensor) ?? toOrt(tensor);
    if (this.addedInput !== undefined) feeds[this.addedInput] ??= allPositions(request);
    const fetches: Record<string, Tensor | null> = {};
    for (const [name, target] of request.outputs) {
      fetches[name] = target === 'new' ? null : this.targetOf(target);
    }
    let results: InferenceSession.OnnxValueMapType;
    try {
      results = await this.session.run(feeds, fetches);
    } catch (thrown) {
      throw runError(thrown, this.parts.folders);
    }
    return new Map(
      Object.entries(results).map(([name, value]) => {
        const target = request.outputs.get(name);
        if (target === undefined || target === 'new') return [name, fromOrt(name, value)];
        this.freeAlias(value, target);
        return [name, target];
      }),
    );
  }

  /** A tensor that is filled again and again is wrapped once. */
  private targetOf(target: HostTensor): Tensor {
    const known = this.targets.get(target);
    if (known !== undefined) return known;
    const tensor = toOrt(target);
    this.targets.set(target, tensor);
    return tensor;
  }

  private known(tensor: RunnerTensor): Tensor | undefined {
    return tensor.kind === 'host' ? this.targets.get(tensor) : undefined;
  }

  /** The runtime's own view of a tensor that was filled in place. */
  private freeAlias(value: Tensor, target: HostTensor): void {
    if (value.location !== 'cpu' || !ArrayBuffer.isView(value.data)) return;
    const { buffer } = value.data;
    const isOurs = ArrayBuffer.isView(target.elements) && buffer === target.elements.buffer;
    if (!isOurs && buffer instanceof ArrayBuffer) this.free(buffer);
  }

  async close(): Promise<void> {
    const session = this.session;
    this.session = undefined;
    await session?.release();
  }
}

/** Every token that this run feeds: what the graph computed before it was edited. */
function allPositions(request: RunRequest): Tensor {
  const tokens = request.inputs.get('input_ids')?.dims[1] ?? 0;
  const positions = BigInt64Array.from({ length: tokens }, (_, position) => BigInt(position));
  return new Tensor('int64', positions, [tokens]);
}

function toSpec(metadata: InferenceSession.ValueMetadata): TensorSpec {
  if (!metadata.isTensor) return { name: metadata.name, type: 'unsupported', dims: [] };
  return {
    name: metadata.name,
    type: isTensorType(metadata.type) ? metadata.type : 'unsupported',
    dims: metadata.shape,
  };
}

function isTensorType(type: string): type is TensorType {
  return (TENSOR_TYPES as readonly string[]).includes(type);
}

/** A tensor of the device carries the runtime's own object along. */
class OnnxDeviceTensor implements DeviceTensor {
  readonly kind = 'device';

  constructor(
    readonly type: TensorType,
    readonly tensor: Tensor,
  ) {}

  get dims(): readonly number[] {
    return this.tensor.dims;
  }

  dispose(): void {
    this.tensor.dispose();
  }
}

function toOrt(tensor: RunnerTensor): Tensor {
  if (tensor.kind === 'device') {
    if (tensor instanceof OnnxDeviceTensor) return tensor.tensor;
    throw new LlmosError('INTERNAL', 'a device tensor of another runner');
  }
  // The library types elements by the tensor's type, which is known here only as a value.
  const elements = tensor.elements as Tensor.DataTypeMap['float32'];
  return new Tensor(tensor.type as 'float32', elements, tensor.dims);
}

function fromOrt(name: string, value: InferenceSession.OnnxValueMapType[string]): RunnerTensor {
  const tensor = value;
  if (!isTensorType(tensor.type)) {
    throw new LlmosError('UNIMPLEMENTED', `output ${JSON.stringify(name)} is a ${tensor.type}`);
  }
  if (tensor.location === 'gpu-buffer') return new OnnxDeviceTensor(tensor.type, tensor);
  return {
    kind: 'host',
    type: tensor.type,
    dims: tensor.dims,
    elements: hostElements(tensor.type, tensor.data),
  } satisfies HostTensor;
}

function hostElements(type: TensorType, data: Tensor.DataType): TensorElements {
  if (type !== 'float16' || data instanceof Uint16Array || Array.isArray(data)) return data;
  // A Node with Float16Array answers with one: the same bits under another name.
  return new Uint16Array(data.buffer, data.byteOffset, data.length);
}

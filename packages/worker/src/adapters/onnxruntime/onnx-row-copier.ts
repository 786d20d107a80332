/**
 * Copies rows by graphs of a few operators, each a session on the model's device: tensors of one
 * session are good in another of the same device. A graph serves any sizes, so there are three per
 * number and type of tensors, opened at first use.
 *
 * Tried with WebGPU on onnxruntime-node 1.30: every operator runs on the device (with the fallback
 * to the CPU forbidden, too); float16 needs a device that computes with it. A tensor of the device
 * can't be read by the runtime's own download, which aborts the process: a session whose outputs
 * are on the host does it.
 */
import { LlmosError } from '@llmos/base';
import type { TensorType } from '@llmos/base';
import type { ElementType, NodeProto, TensorProto, ValueInfoProto } from '@llmos/onnx';
import { encodeGraph, makeGraph, makeNode, makeTensor, makeValueInfo } from '@llmos/onnx';
import type { HostTensor, ModelRunner, RunnerTensor } from '../../ports/model-runner';
import type { RowCopier, RowLayout } from '../../ports/row-copier';
import { openOnnxRunner } from './onnx-runner';

/** The operators that the graphs use are unchanged since. */
const OPERATOR_SET = 17;

export function openRowCopier(device: string): RowCopier {
  return new OnnxRowCopier(device);
}

type GraphKind = 'copy' | 'download' | 'place';

class OnnxRowCopier implements RowCopier {
  private readonly runners = new Map<string, Promise<ModelRunner>>();
  private isClosed = false;

  constructor(private readonly device: string) {}

  copy(tensors: readonly RunnerTensor[], layout: RowLayout): Promise<readonly RunnerTensor[]> {
    return this.run('copy', tensors, [['source', tensors]], layoutInputs(layout));
  }

  async download(
    tensors: readonly RunnerTensor[],
    layout: RowLayout,
  ): Promise<readonly HostTensor[]> {
    const inputs = layoutInputs(layout);
    const copies = await this.run('download', tensors, [['source', tensors]], inputs);
    return copies.map((copy) => {
      if (copy.kind === 'host') return copy;
      throw new LlmosError('INTERNAL', 'a downloaded tensor is still on the device');
    });
  }

  place(
    batch: readonly RunnerTensor[],
    source: readonly RunnerTensor[],
    row: number,
  ): Promise<readonly RunnerTensor[]> {
    const rowCount = batch[0]?.dims[0] ?? 0;
    const isPlaced = Uint8Array.from({ length: rowCount }, (_, index) => Number(index === row));
    const lists = [
      ['batch', batch],
      ['source', source],
    ] as const;
    return this.run('place', batch, lists, [
      ['is_placed', { kind: 'host', type: 'bool', dims: [rowCount, 1, 1, 1], elements: isPlaced }],
    ]);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    const runners = [...this.runners.values()];
    this.runners.clear();
    for (const runner of await Promise.allSettled(runners)) {
      if (runner.status === 'fulfilled') await runner.value.close();
    }
  }

  private async run(
    kind: GraphKind,
    like: readonly RunnerTensor[],
    lists: readonly (readonly [string, readonly RunnerTensor[]])[],
    others: readonly (readonly [string, HostTensor])[],
  ): Promise<readonly RunnerTensor[]> {
    const runner = await this.runnerOf(kind, like);
    const named = lists.flatMap(([name, tensors]) =>
      tensors.map((tensor, index) => [`${name}_${index}`, tensor] as const),
    );
    const results = await runner.run({
      inputs: new Map<string, RunnerTensor>([...named, ...others]),
      outputs: new Map(like.map((_, index) => [`copy_${index}`, 'new'])),
    });
    return like.map((_, index) => results.get(`copy_${index}`) as RunnerTensor);
  }

  private async runnerOf(kind: GraphKind, like: readonly RunnerTensor[]): Promise<ModelRunner> {
    const type = like[0]?.type;
    if (this.isClosed || type === undefined || like.some((tensor) => tensor.type !== type)) {
      throw new LlmosError('INTERNAL', 'rows are copied of tensors of one type, before the close');
    }
    const key = `${kind} ${type} ${like.length}`;
    const known = this.runners.get(key);
    if (known !== undefined) return known;
    const opening = openOnnxRunner({
      graphFile: kind === 'place' ? placeGraph(type, like.length) : copyGraph(type, like.length),
      device: this.device,
      intraOpThreads: 1,
      deviceOutputs: kind === 'download' ? [] : like.map((_, index) => `copy_${index}`),
    });
    this.runners.set(key, opening);
    // What failed is tried again by the next copy.
    opening.catch(() => this.runners.delete(key));
    return opening;
  }
}

function layoutInputs(layout: RowLayout): readonly (readonly [string, HostTensor])[] {
  const { rows, keptTokens, lengthTokens } = layout;
  const pads = [0, 0, 0, 0, 0, 0, lengthTokens - keptTokens, 0];
  return [
    ['rows', integers(rows)],
    ['kept', integers([keptTokens])],
    ['pads', integers(pads)],
  ];
}

function integers(values: readonly number[]): HostTensor {
  const elements = BigInt64Array.from(values, BigInt);
  return { kind: 'host', type: 'int64', dims: [values.length], elements };
}

/** `copy_i = Pad(Slice(Gather(source_i, rows), 0, kept), pads)` */
function copyGraph(type: TensorType, count: number): Uint8Array {
  const nodes = Array.from({ length: count }, (_, index): NodeProto[] => [
    makeNode('Gather', {
      inputs: [`source_${index}`, 'rows'],
      outputs: [`picked_${index}`],
      attributes: { axis: 0n },
    }),
    makeNode('Slice', {
      inputs: [`picked_${index}`, 'first', 'kept', 'token_axis'],
      outputs: [`cut_${index}`],
    }),
    makeNode('Pad', { inputs: [`cut_${index}`, 'pads'], outputs: [`copy_${index}`] }),
  ]);
  return encode({
    nodes: nodes.flat(),
    inputs: [
      ...valuesOf('source', type, count, ['rows_before', 'heads', 'tokens_before', 'size']),
      makeValueInfo('rows', 'int64', ['rows_after']),
      makeValueInfo('kept', 'int64', [1]),
      makeValueInfo('pads', 'int64', [8]),
    ],
    outputs: valuesOf('copy', type, count, ['rows_after', 'heads', 'tokens_after', 'size']),
    initializers: [
      makeTensor('first', 'int64', [1], [0]),
      makeTensor('token_axis', 'int64', [1], [2]),
    ],
  });
}

/** `copy_i = Where(is_placed, source_i, batch_i)` */
function placeGraph(type: TensorType, count: number): Uint8Array {
  return encode({
    nodes: Array.from({ length: count }, (_, index) =>
      makeNode('Where', {
        inputs: ['is_placed', `source_${index}`, `batch_${index}`],
        outputs: [`copy_${index}`],
      }),
    ),
    inputs: [
      ...valuesOf('batch', type, count, ['rows', 'heads', 'tokens', 'size']),
      ...valuesOf('source', type, count, [1, 'heads', 'tokens', 'size']),
      makeValueInfo('is_placed', 'bool', ['rows', 1, 1, 1]),
    ],
    outputs: valuesOf('copy', type, count, ['rows', 'heads', 'tokens', 'size']),
    initializers: [],
  });
}

interface GraphParts {
  readonly nodes: readonly NodeProto[];
  readonly inputs: readonly ValueInfoProto[];
  readonly outputs: readonly ValueInfoProto[];
  readonly initializers: readonly TensorProto[];
}

function encode(parts: GraphParts): Uint8Array {
  return encodeGraph(makeGraph(parts), { operatorSet: OPERATOR_SET });
}

function valuesOf(
  name: string,
  type: TensorType,
  count: number,
  dims: readonly (number | string)[],
): readonly ValueInfoProto[] {
  return Array.from({ length: count }, (_, index) =>
    makeValueInfo(`${name}_${index}`, type as ElementType, dims),
  );
}

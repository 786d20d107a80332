/** Builds graphs from scratch: nodes, values, small tensors, and models around them. */
import { LlmosError } from '@llmos/base';
import { onnx } from '@llmos/proto';
import type { ElementType } from './element-types';
import { elementBytes, elementTypeId } from './element-types';
import type {
  AttributeProto,
  GraphProto,
  NodeProto,
  OnnxModel,
  TensorProto,
  ValueInfoProto,
} from './onnx-model';
import { bytesOf } from './weight-file';

/** An integer is a `bigint`, so that the float 1 and the integer 1 differ. */
export type AttributeValue =
  | bigint
  | number
  | string
  | TensorProto
  | GraphProto
  | readonly bigint[]
  | readonly number[]
  | readonly string[];

export interface NodeOptions {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly name?: string;
  /** Default: the operators of ONNX itself; `com.microsoft` for those of the runtime. */
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
}

export function makeNode(operator: string, options: NodeOptions): NodeProto {
  return onnx.NodeProto.fromPartial({
    opType: operator,
    name: options.name ?? options.outputs[0] ?? operator,
    domain: options.domain ?? '',
    input: [...options.inputs],
    output: [...options.outputs],
    attribute: Object.entries(options.attributes ?? {}).map(([name, value]) =>
      makeAttribute(name, value),
    ),
  });
}

const AttributeType = onnx.AttributeProto_AttributeType;

export function makeAttribute(name: string, value: AttributeValue): AttributeProto {
  return onnx.AttributeProto.fromPartial({ name, ...attributeFields(value) });
}

function attributeFields(value: AttributeValue): Partial<AttributeProto> {
  const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
  if (typeof value === 'bigint') return { type: AttributeType.INT, i: value };
  if (typeof value === 'number') return { type: AttributeType.FLOAT, f: value };
  if (typeof value === 'string') return { type: AttributeType.STRING, s: utf8(value) };
  if (isList(value)) {
    const items: readonly (bigint | number | string)[] = value;
    if (items.every((item) => typeof item === 'bigint')) {
      return { type: AttributeType.INTS, ints: [...items] };
    }
    if (items.every((item) => typeof item === 'number')) {
      return { type: AttributeType.FLOATS, floats: [...items] };
    }
    return { type: AttributeType.STRINGS, strings: items.map((item) => utf8(String(item))) };
  }
  return 'node' in value
    ? { type: AttributeType.GRAPH, g: value }
    : { type: AttributeType.TENSOR, t: value };
}

function isList(
  value: AttributeValue,
): value is readonly bigint[] | readonly number[] | readonly string[] {
  return Array.isArray(value);
}

/** A value with static (number) and named (text) dims. */
export function makeValueInfo(
  name: string,
  type: ElementType,
  dims: readonly (number | string)[],
): ValueInfoProto {
  const dim = dims.map((size) =>
    typeof size === 'number' ? { dimValue: BigInt(size) } : { dimParam: size },
  );
  return onnx.ValueInfoProto.fromPartial({
    name,
    type: { tensorType: { elemType: elementTypeId(type), shape: { dim } } },
  });
}

/** A tensor whose elements are in the message; float16 and bfloat16 are bit patterns. */
export function makeTensor(
  name: string,
  type: ElementType,
  dims: readonly number[],
  elements: ArrayBufferView | readonly number[],
): TensorProto {
  const rawBytes = bytesOf(ArrayBuffer.isView(elements) ? elements : pack(type, elements));
  const expected = dims.reduce((product, size) => product * size, 1) * elementBytes(type);
  if (rawBytes.length !== expected) {
    throw new LlmosError(
      'INTERNAL',
      `tensor ${name} has ${rawBytes.length} bytes, not ${expected}`,
    );
  }
  return { ...makeTensorHead(name, type, dims), rawData: rawBytes };
}

/** A tensor without elements: those of an `OnnxModel` whose `weights` name where they lie. */
export function makeTensorHead(
  name: string,
  type: ElementType,
  dims: readonly number[],
): TensorProto {
  return onnx.TensorProto.fromPartial({
    name,
    dataType: elementTypeId(type),
    dims: dims.map(BigInt),
  });
}

function pack(type: ElementType, elements: readonly number[]): ArrayBufferView {
  switch (type) {
    case 'float32':
      return Float32Array.from(elements);
    case 'float64':
      return Float64Array.from(elements);
    case 'int8':
      return Int8Array.from(elements);
    case 'int16':
      return Int16Array.from(elements);
    case 'int32':
      return Int32Array.from(elements);
    case 'int64':
      return BigInt64Array.from(elements, BigInt);
    case 'uint32':
      return Uint32Array.from(elements);
    case 'uint64':
      return BigUint64Array.from(elements, BigInt);
    case 'uint8':
    case 'bool':
      return Uint8Array.from(elements);
    case 'uint16':
    case 'float16':
    case 'bfloat16':
      return Uint16Array.from(elements);
  }
}

export interface GraphOptions {
  readonly name?: string;
  readonly nodes: readonly NodeProto[];
  readonly inputs: readonly ValueInfoProto[];
  readonly outputs: readonly ValueInfoProto[];
  readonly initializers?: readonly TensorProto[];
}

export function makeGraph(options: GraphOptions): GraphProto {
  return onnx.GraphProto.fromPartial({
    name: options.name ?? 'graph',
    node: [...options.nodes],
    input: [...options.inputs],
    output: [...options.outputs],
    initializer: [...(options.initializers ?? [])],
  });
}

export interface ModelOptions {
  /** Version of the operators of ONNX. Default: 21. */
  readonly operatorSet?: number;
  /** Whether nodes of the domain `com.microsoft` occur. Default: true. */
  readonly usesRuntimeOperators?: boolean;
}

const IR_VERSION = 10n;

export function makeModel(graph: GraphProto, options: ModelOptions = {}): OnnxModel {
  const { operatorSet = 21, usesRuntimeOperators = true } = options;
  const opsetImport = [
    { domain: '', version: BigInt(operatorSet) },
    ...(usesRuntimeOperators ? [{ domain: 'com.microsoft', version: 1n }] : []),
  ];
  const proto = onnx.ModelProto.fromPartial({
    irVersion: IR_VERSION,
    producerName: 'llmos',
    opsetImport,
  });
  return { proto: { ...proto, graph }, weights: new Map() };
}

/** The bytes of a model without weights in files, which a session can be made from. */
export function encodeGraph(graph: GraphProto, options: ModelOptions = {}): Uint8Array {
  return onnx.ModelProto.encode(makeModel(graph, options).proto).finish();
}

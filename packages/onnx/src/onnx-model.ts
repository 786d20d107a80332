/**
 * A graph in memory: the message without its large weights, and where those lie. Nodes, names and
 * small tensors are edited in the message; weights stay in their files until the model is written.
 */
import { onnx } from '@llmos/proto';
import type { WeightRange } from './weight-range';

export type ModelProto = onnx.ModelProto;
export type GraphProto = onnx.GraphProto;
export type NodeProto = onnx.NodeProto;
export type TensorProto = onnx.TensorProto;
export type AttributeProto = onnx.AttributeProto;
export type ValueInfoProto = onnx.ValueInfoProto;

export interface OnnxModel {
  readonly proto: ModelProto & { graph: GraphProto };
  /** By the name of the initializer, whose message then holds its type and dims alone. */
  readonly weights: Map<string, WeightRange>;
}

export function initializerOf(model: OnnxModel, name: string): TensorProto | undefined {
  return model.proto.graph.initializer.find((tensor) => tensor.name === name);
}

export function dimsOf(tensor: TensorProto): number[] {
  return tensor.dims.map(Number);
}

export function attributeOf(node: NodeProto, name: string): AttributeProto | undefined {
  return node.attribute.find((attribute) => attribute.name === name);
}

/** Says that the graph uses operators of a domain, unless it does already. */
export function addOperatorSet(model: OnnxModel, domain: string, version: number): void {
  const sets = model.proto.opsetImport;
  if (sets.some((set) => (set.domain ?? '') === domain)) return;
  sets.push(onnx.OperatorSetIdProto.fromPartial({ domain, version: BigInt(version) }));
}

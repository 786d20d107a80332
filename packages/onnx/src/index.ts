export type { AttributeValue, GraphOptions, ModelOptions, NodeOptions } from './build-graph';
export {
  encodeGraph,
  makeAttribute,
  makeGraph,
  makeModel,
  makeNode,
  makeTensor,
  makeTensorHead,
  makeValueInfo,
} from './build-graph';
export type { ElementType } from './element-types';
export { elementBytes, elementTypeId, elementTypeName } from './element-types';
export type { FieldHead } from './file-cursor';
export { DamagedGraph, FileCursor } from './file-cursor';
export { ONNX_LIMITS } from './limits';
export type {
  AttributeProto,
  GraphProto,
  ModelProto,
  NodeProto,
  OnnxModel,
  TensorProto,
  ValueInfoProto,
} from './onnx-model';
export { addOperatorSet, attributeOf, dimsOf, initializerOf } from './onnx-model';
export type { WeightBits } from './quantize/block-quantizer';
export type { QuantizeCounts, QuantizeOptions } from './quantize/quantize-model';
export { quantizeModel } from './quantize/quantize-model';
export { readModel } from './read-model';
export { selectWantedPositions } from './wanted-positions';
export { WeightFile, bytesOf } from './weight-file';
export type { WeightRange } from './weight-range';
export { rangePieces, readRange } from './weight-range';
export type { WriteModelOptions } from './write-model';
export { absorbWeights, encodeModel, placeWeights, weightBytes, writeModel } from './write-model';

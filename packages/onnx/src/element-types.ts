/** The element types of ONNX, by the names that the wire uses, and the bytes of their elements. */
import { onnx } from '@llmos/proto';

const DataType = onnx.TensorProto_DataType;

const BY_NAME = {
  float32: { id: DataType.FLOAT, bytes: 4 },
  float64: { id: DataType.DOUBLE, bytes: 8 },
  float16: { id: DataType.FLOAT16, bytes: 2 },
  bfloat16: { id: DataType.BFLOAT16, bytes: 2 },
  int8: { id: DataType.INT8, bytes: 1 },
  int16: { id: DataType.INT16, bytes: 2 },
  int32: { id: DataType.INT32, bytes: 4 },
  int64: { id: DataType.INT64, bytes: 8 },
  uint8: { id: DataType.UINT8, bytes: 1 },
  uint16: { id: DataType.UINT16, bytes: 2 },
  uint32: { id: DataType.UINT32, bytes: 4 },
  uint64: { id: DataType.UINT64, bytes: 8 },
  bool: { id: DataType.BOOL, bytes: 1 },
} as const;

export type ElementType = keyof typeof BY_NAME;

/** TensorProto.DataType of a name. */
export function elementTypeId(type: ElementType): number {
  return BY_NAME[type].id;
}

export function elementBytes(type: ElementType): number {
  return BY_NAME[type].bytes;
}

/** The name of a TensorProto.DataType; undefined for texts, packed and rare types. */
export function elementTypeName(id: number | undefined): ElementType | undefined {
  const names = Object.keys(BY_NAME) as ElementType[];
  return names.find((name) => BY_NAME[name].id === id);
}

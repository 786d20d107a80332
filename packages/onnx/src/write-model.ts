/**
 * Writes a model: with its weights inside the file, or in a file beside it, copied there in pieces.
 * The model in memory stays as it was.
 */
import { closeSync, existsSync, openSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, relative, resolve, sep } from 'node:path';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { LlmosError } from '@llmos/base';
import { onnx } from '@llmos/proto';
import { ONNX_LIMITS } from './limits';
import type { OnnxModel, TensorProto } from './onnx-model';
import { WeightFile, alignOffset, writeFully } from './weight-file';
import type { WeightRange } from './weight-range';
import { rangePieces, readRange } from './weight-range';

export interface WriteModelOptions {
  /** Default: `inside` up to `ONNX_LIMITS.maxInsideBytes`, then `beside`. */
  readonly weights?: 'inside' | 'beside';
  /** Called with the bytes of weights written so far, and all. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/** Bytes of the weights that lie in files. */
export function weightBytes(model: OnnxModel): number {
  let sum = 0;
  for (const range of model.weights.values()) sum += range.byteLength;
  return sum;
}

/**
 * Writes `file`, and `file` + `_data` where the weights lie beside it. Each appears only once it is
 * complete. Throws FAILED_PRECONDITION where weights are to be inside and are too many.
 */
export function writeModel(model: OnnxModel, file: string, options: WriteModelOptions = {}): void {
  const totalBytes = weightBytes(model);
  const isInside = (options.weights ?? chooseWeights(totalBytes)) === 'inside';
  if (isInside && totalBytes > ONNX_LIMITS.maxInsideBytes) {
    throw new LlmosError('FAILED_PRECONDITION', `${totalBytes} bytes of weights in one message`);
  }
  let doneBytes = 0;
  const onPiece = (bytes: number): void => {
    doneBytes += bytes;
    options.onProgress?.(doneBytes, totalBytes);
  };
  const partFile = `${file}.part`;
  try {
    if (isInside) {
      writeInside(model, partFile, onPiece);
    } else {
      const moved = moveBeside(model, `${file}_data`, onPiece);
      const fileDescriptor = openSync(partFile, 'w');
      try {
        writeFully(fileDescriptor, encodeModel(moved, dirname(file)), 0);
      } finally {
        closeSync(fileDescriptor);
      }
    }
    renameSync(partFile, file);
  } finally {
    rmSync(partFile, { force: true });
  }
}

function chooseWeights(totalBytes: number): 'inside' | 'beside' {
  return totalBytes > ONNX_LIMITS.maxInsideBytes ? 'beside' : 'inside';
}

/**
 * The message of a model whose weights stay where they are: all in files below `folder`, which the
 * runtime must be told of, or find them beside the file that holds the message.
 */
export function encodeModel(model: OnnxModel, folder: string): Uint8Array {
  const initializer = model.proto.graph.initializer.map((tensor) => {
    const range = model.weights.get(tensor.name ?? '');
    return range === undefined ? tensor : asExternal(tensor, range, resolve(folder));
  });
  const graph = { ...model.proto.graph, initializer };
  return onnx.ModelProto.encode({ ...model.proto, graph }).finish();
}

function asExternal(tensor: TensorProto, range: WeightRange, folder: string): TensorProto {
  const location = relative(folder, range.file);
  if (location.startsWith('..') || location.startsWith(sep)) {
    throw new LlmosError('INTERNAL', `the weights ${basename(range.file)} lie outside the folder`);
  }
  return {
    ...tensor,
    dataLocation: onnx.TensorProto_DataLocation.EXTERNAL,
    externalData: [
      { key: 'location', value: location },
      { key: 'offset', value: String(range.offset) },
      { key: 'length', value: String(range.byteLength) },
    ],
  };
}

type OnPiece = (bytes: number) => void;

function* reported(pieces: Iterable<Uint8Array>, onPiece: OnPiece): Generator<Uint8Array> {
  for (const piece of pieces) {
    yield piece;
    onPiece(piece.length);
  }
}

/**
 * The same model with all its weights in one file, which is written unless it is there already:
 * whoever prepares the same graph a second time reads what the first one wrote.
 */
export function placeWeights(model: OnnxModel, file: string): OnnxModel {
  if (!existsSync(file)) return moveBeside(model, file, () => undefined);
  const weights = new Map<string, WeightRange>();
  let endOffset = 0;
  for (const [name, { byteLength }] of model.weights) {
    const offset = alignOffset(endOffset);
    endOffset = offset + byteLength;
    weights.set(name, { file: resolve(file), offset, byteLength });
  }
  return { ...model, weights };
}

/** The same model with the weights of one file in its message: for small models. */
export function absorbWeights(model: OnnxModel, file: string): OnnxModel {
  const weights = new Map(model.weights);
  const initializer = model.proto.graph.initializer.map((tensor) => {
    const range = weights.get(tensor.name ?? '');
    if (range?.file !== resolve(file)) return tensor;
    weights.delete(tensor.name ?? '');
    return { ...tensor, rawData: readRange(range) };
  });
  return { proto: { ...model.proto, graph: { ...model.proto.graph, initializer } }, weights };
}

/** Copies all weights into one file; answers the model that reads them there. */
function moveBeside(model: OnnxModel, file: string, onPiece: OnPiece): OnnxModel {
  const partFile = `${file}.part`;
  const target = new WeightFile(partFile);
  const weights = new Map<string, WeightRange>();
  try {
    for (const [name, range] of model.weights) {
      const moved = target.append(range.byteLength, reported(rangePieces(range), onPiece));
      weights.set(name, { ...moved, file: resolve(file) });
    }
    target.close();
    renameSync(partFile, file);
  } finally {
    target.close();
    rmSync(partFile, { force: true });
  }
  return { ...model, weights };
}

/** Tags of length-delimited fields. */
const GRAPH_TAG = (7 << 3) | 2;
const INITIALIZER_TAG = (5 << 3) | 2;
const RAW_BYTES_TAG = (9 << 3) | 2;

interface Chunk {
  readonly bytes: Uint8Array;
  readonly range?: WeightRange;
}

/** A message may hold its fields in any order: the graph comes last, its initializers at its end. */
function writeInside(model: OnnxModel, file: string, onPiece: OnPiece): void {
  const { graph, ...rest } = model.proto;
  const chunks: Chunk[] = [
    { bytes: onnx.GraphProto.encode({ ...graph, initializer: [] }).finish() },
  ];
  for (const tensor of graph.initializer) {
    const range = model.weights.get(tensor.name ?? '');
    const body = onnx.TensorProto.encode(tensor).finish();
    chunks.push(range === undefined ? { bytes: field(INITIALIZER_TAG, body) } : raw(body, range));
  }
  const graphBytes = chunks.reduce(
    (sum, { bytes, range }) => sum + bytes.length + (range?.byteLength ?? 0),
    0,
  );
  const head = onnx.ModelProto.encode({ ...rest, graph: undefined }).finish();
  const start = new BinaryWriter().raw(head).uint32(GRAPH_TAG).uint32(graphBytes).finish();
  writeChunks(file, [{ bytes: start }, ...chunks], onPiece);
}

function field(tag: number, body: Uint8Array): Uint8Array {
  return new BinaryWriter().uint32(tag).bytes(body).finish();
}

/** The start of an initializer whose raw bytes follow. */
function raw(body: Uint8Array, range: WeightRange): Chunk {
  const head = new BinaryWriter().uint32(RAW_BYTES_TAG).uint32(range.byteLength).finish();
  const bytes = new BinaryWriter()
    .uint32(INITIALIZER_TAG)
    .uint32(body.length + head.length + range.byteLength)
    .raw(body)
    .raw(head)
    .finish();
  return { bytes, range };
}

function writeChunks(file: string, chunks: readonly Chunk[], onPiece: OnPiece): void {
  const fileDescriptor = openSync(file, 'w');
  let at = 0;
  const put = (bytes: Uint8Array): void => {
    writeFully(fileDescriptor, bytes, at);
    at += bytes.length;
  };
  try {
    for (const { bytes, range } of chunks) {
      put(bytes);
      if (range === undefined) continue;
      for (const piece of reported(rangePieces(range), onPiece)) put(piece);
    }
  } finally {
    closeSync(fileDescriptor);
  }
}

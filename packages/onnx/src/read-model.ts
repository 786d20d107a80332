/**
 * Reads an ONNX file without its weights. Initializers of more than `ONNX_LIMITS.inlineBytes`,
 * inside the file or in one beside it, become ranges; everything else becomes the message.
 */
import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { basename, dirname, resolve, sep } from 'node:path';
import { LlmosError } from '@llmos/base';
import { onnx } from '@llmos/proto';
import { DamagedGraph, FileCursor } from './file-cursor';
import { ONNX_LIMITS } from './limits';
import type { OnnxModel, TensorProto } from './onnx-model';
import type { WeightRange } from './weight-range';

const GRAPH_OF_MODEL = 7;
const INITIALIZER_OF_GRAPH = 5;
const RAW_BYTES_OF_TENSOR = 9;
const BYTES_WIRE = 2;

/** Throws INVALID_ARGUMENT where the file is no ONNX model or reads files outside its folder. */
export function readModel(file: string): OnnxModel {
  const fileDescriptor = openSync(file, 'r');
  try {
    return new ModelReader(file, fileDescriptor).read();
  } catch (thrown) {
    if (thrown instanceof LlmosError || isSystemError(thrown)) throw thrown;
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new LlmosError('INVALID_ARGUMENT', `${basename(file)} is not an ONNX model: ${reason}`, {
      cause: thrown,
    });
  } finally {
    closeSync(fileDescriptor);
  }
}

function isSystemError(thrown: unknown): boolean {
  return thrown instanceof Error && 'syscall' in thrown;
}

/** What of a message is kept, and where the cut parts lie. */
interface Cut {
  readonly kept: Uint8Array;
  readonly parts: readonly { readonly start: number; readonly end: number }[];
}

class ModelReader {
  private readonly cursor: FileCursor;
  private keptBytes = 0;

  constructor(
    private readonly file: string,
    fileDescriptor: number,
  ) {
    this.cursor = new FileCursor(fileDescriptor, fstatSync(fileDescriptor).size);
  }

  read(): OnnxModel {
    const whole = this.cut(0, this.cursor.fileBytes, (field) => field === GRAPH_OF_MODEL);
    const [part, second] = whole.parts;
    if (part === undefined) throw new DamagedGraph('it holds no graph');
    if (second !== undefined) throw new DamagedGraph('it holds several graphs');
    const body = this.cut(part.start, part.end, (field) => field === INITIALIZER_OF_GRAPH);
    const graph = onnx.GraphProto.decode(body.kept);
    const weights = new Map<string, WeightRange>();
    for (const { start, end } of body.parts)
      graph.initializer.push(this.tensor(start, end, weights));
    return { proto: { ...onnx.ModelProto.decode(whole.kept), graph }, weights };
  }

  private tensor(start: number, end: number, weights: Map<string, WeightRange>): TensorProto {
    const { kept, parts } = this.cut(
      start,
      end,
      (field, bytes) => field === RAW_BYTES_OF_TENSOR && bytes > ONNX_LIMITS.inlineBytes,
    );
    const tensor = onnx.TensorProto.decode(kept);
    const [inside] = parts;
    const range =
      inside === undefined
        ? externalRange(tensor, this.file)
        : { file: resolve(this.file), offset: inside.start, byteLength: inside.end - inside.start };
    if (range !== undefined) {
      weights.set(tensor.name ?? '', range);
      tensor.externalData = [];
      tensor.dataLocation = onnx.TensorProto_DataLocation.DEFAULT;
    }
    return tensor;
  }

  /** Splits a message into the fields that are kept and those that `isCut` takes out. */
  private cut(start: number, end: number, isCut: (field: number, bytes: number) => boolean): Cut {
    const { cursor } = this;
    const kept: { start: number; end: number }[] = [];
    const parts: { start: number; end: number }[] = [];
    cursor.seek(start);
    while (cursor.at < end) {
      const fieldStart = cursor.at;
      const { field, wire } = cursor.head(end);
      if (field === 0) throw new DamagedGraph(`no field at byte ${fieldStart}`);
      if (wire === BYTES_WIRE) {
        const fieldEnd = cursor.messageEnd(end);
        const bodyStart = cursor.at;
        cursor.seek(fieldEnd);
        if (isCut(field, fieldEnd - bodyStart)) {
          parts.push({ start: bodyStart, end: fieldEnd });
          continue;
        }
      } else {
        cursor.skip(wire, end);
      }
      const last = kept.at(-1);
      if (last?.end === fieldStart) last.end = cursor.at;
      else kept.push({ start: fieldStart, end: cursor.at });
    }
    return { kept: this.collect(kept), parts };
  }

  private collect(ranges: readonly { start: number; end: number }[]): Uint8Array {
    const length = ranges.reduce((sum, range) => sum + range.end - range.start, 0);
    this.keptBytes += length;
    if (this.keptBytes > ONNX_LIMITS.maxMessageBytes) {
      throw new DamagedGraph(`it holds ${this.keptBytes} bytes besides its weights`);
    }
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const { start, end } of ranges) {
      bytes.set(this.cursor.read(start, end), at);
      at += end - start;
    }
    return bytes;
  }
}

/** Where a tensor lies in a file beside the graph; undefined where it is in the message. */
function externalRange(tensor: TensorProto, graphFile: string): WeightRange | undefined {
  if (tensor.dataLocation !== onnx.TensorProto_DataLocation.EXTERNAL) return undefined;
  const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value ?? '']));
  const folder = resolve(dirname(graphFile));
  const file = resolve(folder, entries.get('location') ?? '');
  if (!file.startsWith(`${folder}${sep}`)) {
    throw new LlmosError(
      'INVALID_ARGUMENT',
      `weights of ${basename(graphFile)} lie outside its folder`,
    );
  }
  const offset = Number(entries.get('offset') ?? 0);
  const fileBytes = statSync(file).size;
  const byteLength = Number(entries.get('length') ?? fileBytes - offset);
  const isInside =
    Number.isSafeInteger(offset) &&
    Number.isSafeInteger(byteLength) &&
    offset >= 0 &&
    byteLength >= 0 &&
    offset + byteLength <= fileBytes;
  if (!isInside) throw new DamagedGraph(`tensor ${tensor.name ?? ''} ends after its file`);
  return { file, offset, byteLength };
}

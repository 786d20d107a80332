/**
 * Reads a graph's inputs, outputs, operators and external files (onnx.proto3) without loading it.
 * Throws INVALID_ARGUMENT where the file is not an ONNX model.
 */
import { closeSync, fstatSync, openSync } from 'node:fs';
import type { TensorType } from '@llmos/base';
import { LlmosError } from '@llmos/base';
import { DamagedGraph, FileCursor } from '@llmos/onnx';
import type { GraphFacts } from '../../models/graph-facts';
import { MODEL_LIMITS } from '../../models/limits';
import type { TensorSpec } from '../../ports/model-runner';

/** TensorProto.DataType. */
const ELEMENT_TYPES: Readonly<Record<number, TensorType>> = {
  1: 'float32',
  2: 'uint8',
  3: 'int8',
  4: 'uint16',
  5: 'int16',
  6: 'int32',
  7: 'int64',
  8: 'string',
  9: 'bool',
  10: 'float16',
  11: 'float64',
  12: 'uint32',
  13: 'uint64',
};

const ELEMENT_BITS: Readonly<Partial<Record<TensorType, number>>> = {
  int8: 8,
  uint8: 8,
  float16: 16,
  float32: 32,
  float64: 64,
};

interface Findings {
  readonly inputs: TensorSpec[];
  readonly outputs: TensorSpec[];
  readonly operators: Set<string>;
  readonly externalFiles: Set<string>;
  readonly initializers: Set<string>;
  /** Elements of the weights by TensorProto.DataType. */
  readonly elements: Map<number, number>;
  /** Of products with weights in blocks. */
  readonly blockBits: Set<number>;
  hasGraph: boolean;
}

type FieldReader = (field: number, end: number) => boolean;

export function scanGraph(path: string, name: string): GraphFacts {
  const fileDescriptor = openSync(path, 'r');
  try {
    const cursor = new FileCursor(fileDescriptor, fstatSync(fileDescriptor).size);
    return toFacts(new GraphScan(cursor).model());
  } catch (thrown) {
    if (!(thrown instanceof DamagedGraph)) throw thrown;
    throw new LlmosError('INVALID_ARGUMENT', `${name} is not an ONNX model: ${thrown.message}`);
  } finally {
    closeSync(fileDescriptor);
  }
}

function toFacts(found: Findings): GraphFacts {
  if (!found.hasGraph) throw new DamagedGraph('it holds no graph');
  return {
    // Old graphs list their weights among the inputs.
    inputs: found.inputs.filter((input) => !found.initializers.has(input.name)),
    outputs: found.outputs,
    operators: found.operators,
    externalFiles: [...found.externalFiles].sort(),
    weightBits: weightBitsOf(found),
  };
}

/** Blocks of few bits are what a graph was made small with, whatever lies beside them. */
function weightBitsOf({ blockBits, elements }: Findings): number {
  if (blockBits.size > 0) return Math.max(...blockBits);
  const most = Math.max(...elements.values());
  const [dominant] = [...elements].find(([, count]) => count === most) ?? [];
  const type = ELEMENT_TYPES[dominant ?? 1] ?? 'float32';
  return ELEMENT_BITS[type] ?? 32;
}

class GraphScan {
  private readonly found: Findings = {
    inputs: [],
    outputs: [],
    operators: new Set(),
    externalFiles: new Set(),
    initializers: new Set(),
    elements: new Map(),
    blockBits: new Set(),
    hasGraph: false,
  };

  constructor(private readonly cursor: FileCursor) {}

  model(): Findings {
    this.fields(this.cursor.fileBytes, (field, end) => {
      if (field === 7) {
        this.found.hasGraph = true;
        this.graph(this.cursor.messageEnd(end), 0);
        return true;
      }
      if (field === 25) return this.message(end, (inner) => this.functionBody(inner));
      return false;
    });
    return this.found;
  }

  /** Calls `read` for each field of a message; what it does not take is skipped. */
  private fields(end: number, read: FieldReader): void {
    while (this.cursor.at < end) {
      const { field, wire } = this.cursor.head(end);
      if (field === 0) throw new DamagedGraph(`no field at byte ${this.cursor.at}`);
      if (wire !== 2 && wire !== 0) this.cursor.skip(wire, end);
      else if (!read(wire === 2 ? field : -field, end)) this.cursor.skip(wire, end);
    }
  }

  private message(end: number, read: (end: number) => void): true {
    read(this.cursor.messageEnd(end));
    return true;
  }

  private graph(graphEnd: number, depth: number): void {
    if (depth > MODEL_LIMITS.maxGraphDepth) throw new DamagedGraph('graphs nest too deeply');
    this.fields(graphEnd, (field, end) => {
      if (field === 1) return this.message(end, (inner) => this.node(inner, depth));
      if (field === 5) return this.message(end, (inner) => this.tensor(inner, depth));
      if (depth > 0) return false;
      if (field === 11) return this.message(end, (inner) => this.value(inner, this.found.inputs));
      if (field === 12) return this.message(end, (inner) => this.value(inner, this.found.outputs));
      return false;
    });
  }

  private functionBody(bodyEnd: number): void {
    this.fields(bodyEnd, (field, end) =>
      field === 7 ? this.message(end, (inner) => this.node(inner, 1)) : false,
    );
  }

  private node(nodeEnd: number, depth: number): void {
    this.fields(nodeEnd, (field, end) => {
      if (field === 4) {
        this.found.operators.add(this.name(end));
        return true;
      }
      return field === 5 ? this.message(end, (inner) => this.attribute(inner, depth)) : false;
    });
  }

  private attribute(attributeEnd: number, depth: number): void {
    let name = '';
    this.fields(attributeEnd, (field, end) => {
      if (field === 1) {
        name = this.name(end);
        return true;
      }
      if (field === -3 && name === 'bits') {
        this.found.blockBits.add(this.cursor.varint(end));
        return true;
      }
      if (field === 5 || field === 10) return this.message(end, (inner) => this.tensor(inner, 1));
      if (field !== 6 && field !== 11) return false;
      return this.message(end, (inner) => this.graph(inner, depth + 1));
    });
  }

  private tensor(tensorEnd: number, depth: number): void {
    let count = 1;
    let type = 0;
    this.fields(tensorEnd, (field, end) => {
      if (field === -1) count *= this.cursor.varint(end);
      else if (field === -2) type = this.cursor.varint(end);
      else if (field === 1) {
        const dimsEnd = this.cursor.messageEnd(end);
        while (this.cursor.at < dimsEnd) count *= this.cursor.varint(dimsEnd);
      } else return this.otherOfTensor(field, end, depth);
      return true;
    });
    if (depth > 0) return;
    this.found.elements.set(type, (this.found.elements.get(type) ?? 0) + count);
  }

  private otherOfTensor(field: number, end: number, depth: number): boolean {
    if (field === 8 && depth === 0) {
      this.found.initializers.add(this.name(end));
      return true;
    }
    return field === 13 ? this.message(end, (inner) => this.externalEntry(inner)) : false;
  }

  private externalEntry(entryEnd: number): void {
    let key = '';
    let value = '';
    this.fields(entryEnd, (field, end) => {
      if (field === 1) key = this.name(end);
      else if (field === 2) value = this.name(end);
      else return false;
      return true;
    });
    if (key === 'location') this.found.externalFiles.add(value);
  }

  private value(valueEnd: number, list: TensorSpec[]): void {
    let name = '';
    let spec: Pick<TensorSpec, 'type' | 'dims'> = { type: 'unsupported', dims: [] };
    this.fields(valueEnd, (field, end) => {
      if (field === 1) name = this.name(end);
      else if (field === 2) this.message(end, (inner) => (spec = this.valueType(inner)));
      else return false;
      return true;
    });
    list.push({ name, ...spec });
  }

  private valueType(typeEnd: number): Pick<TensorSpec, 'type' | 'dims'> {
    let type: TensorSpec['type'] = 'unsupported';
    const dims: (number | string)[] = [];
    this.fields(typeEnd, (field, end) => {
      if (field !== 1) return false;
      return this.message(end, (tensorEnd) =>
        this.fields(tensorEnd, (inner, innerEnd) => {
          if (inner === -1) {
            type = ELEMENT_TYPES[this.cursor.varint(innerEnd)] ?? 'unsupported';
            return true;
          }
          return inner === 2 ? this.message(innerEnd, (shape) => this.shape(shape, dims)) : false;
        }),
      );
    });
    return { type, dims };
  }

  private shape(shapeEnd: number, dims: (number | string)[]): void {
    this.fields(shapeEnd, (field, end) => {
      if (field !== 1) return false;
      let dim: number | string = '';
      this.message(end, (dimEnd) =>
        this.fields(dimEnd, (inner, innerEnd) => {
          if (inner === -1) dim = this.cursor.varint(innerEnd);
          else if (inner === 2) dim = this.name(innerEnd);
          else return false;
          return true;
        }),
      );
      dims.push(dim);
      return true;
    });
  }

  private name(end: number): string {
    return this.cursor.text(end, MODEL_LIMITS.maxGraphNameBytes);
  }
}

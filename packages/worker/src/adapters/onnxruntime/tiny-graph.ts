/** The bytes of a graph `y = x + x` (float32, one element), to try an execution provider with. */

const FLOAT32 = 1;

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return [...bytes, rest];
}

function numberField(field: number, value: number): number[] {
  return [...varint(field * 8), ...varint(value)];
}

function bytesField(field: number, bytes: readonly number[]): number[] {
  return [...varint(field * 8 + 2), ...varint(bytes.length), ...bytes];
}

function textField(field: number, text: string): number[] {
  return bytesField(field, [...new TextEncoder().encode(text)]);
}

/** ValueInfoProto of a float32 tensor with the dims [1]. */
function valueInfo(name: string): number[] {
  const shape = bytesField(2, bytesField(1, numberField(1, 1)));
  const tensor = bytesField(1, [...numberField(1, FLOAT32), ...shape]);
  return [...textField(1, name), ...bytesField(2, tensor)];
}

export function tinyGraph(): Uint8Array {
  const node = [
    ...textField(1, 'x'),
    ...textField(1, 'x'),
    ...textField(2, 'y'),
    ...textField(4, 'Add'),
  ];
  const graph = [
    ...bytesField(1, node),
    ...textField(2, 'tiny'),
    ...bytesField(11, valueInfo('x')),
    ...bytesField(12, valueInfo('y')),
  ];
  const opset = [...textField(1, ''), ...numberField(2, 17)];
  return Uint8Array.from([...numberField(1, 8), ...bytesField(7, graph), ...bytesField(8, opset)]);
}

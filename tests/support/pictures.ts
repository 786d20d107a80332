/** Pictures and sounds as the tensors that models take. */
import { readFileSync } from 'node:fs';
import jpeg from 'jpeg-js';
import { PNG } from 'pngjs';

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** RGBA. */
  readonly data: Uint8Array;
}

export function readPicture(file: string): Picture {
  const bytes = readFileSync(file);
  return file.endsWith('.png') ? PNG.sync.read(bytes) : jpeg.decode(bytes, { useTArray: true });
}

/** 224 × 224, planes of blue, green and red, by averaging the pixels under each new one. */
export function toBgrPlanes(picture: Picture): number[] {
  const size = 224;
  const planes = new Array<number>(3 * size * size);
  for (let y = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1) {
      for (let plane = 0; plane < 3; plane += 1) {
        const value = meanOf(picture, { x, y, size, channel: 2 - plane });
        planes[plane * size * size + y * size + x] = value;
      }
    }
  }
  return planes;
}

function meanOf(
  picture: Picture,
  at: { x: number; y: number; size: number; channel: number },
): number {
  const { width, height, data } = picture;
  const from = (place: number, length: number): number => Math.floor((place * length) / at.size);
  let sum = 0;
  let count = 0;
  for (
    let y = from(at.y, height);
    y < Math.max(from(at.y, height) + 1, from(at.y + 1, height));
    y += 1
  ) {
    for (
      let x = from(at.x, width);
      x < Math.max(from(at.x, width) + 1, from(at.x + 1, width));
      x += 1
    ) {
      sum += data[(y * width + x) * 4 + at.channel] ?? 0;
      count += 1;
    }
  }
  return sum / count;
}

/** 16-bit mono PCM behind a header of chunks. */
export function readWav(file: string): Float32Array {
  const bytes = readFileSync(file);
  let at = 12;
  while (bytes.toString('latin1', at, at + 4) !== 'data') at += 8 + bytes.readUInt32LE(at + 4);
  const count = bytes.readUInt32LE(at + 4) / 2;
  return Float32Array.from(
    { length: count },
    (_, index) => bytes.readInt16LE(at + 8 + 2 * index) / 32768,
  );
}

/**
 * Where hostile input comes from: good samples, damaged in ways that find bugs in parsers.
 *
 * Every choice comes from one seeded random source, so an input is repeated by its number.
 */
import type { Random } from '@llmos/base';

export interface FuzzSource {
  readonly random: Random;
  pick<T>(list: readonly T[]): T;
  /** A damaged copy of one of the samples. */
  bytes(samples: readonly Uint8Array[]): Uint8Array;
  text(samples: readonly string[]): string;
  /** A sample with some of its values exchanged, as a value. */
  value(samples: readonly unknown[]): unknown;
  /** The same as JSON, sometimes damaged as text too. */
  json(samples: readonly unknown[]): Uint8Array;
  /** The last inputs that were given out, for a report. */
  readonly given: readonly string[];
}

const MAX_BYTES = 64 * 1024;
const SHOWN_CHARS = 400;

const HOSTILE_TEXTS: readonly string[] = [
  ...['', ' ', '.', '..', '../../etc/passwd', '/etc/passwd', '*', '>', '\r\nPUB a 0\r\n', '\u0000'],
  ...['%zz', '%', '@', 'a@', '@a', 'a@b@c', '\ud800', '\uffff', '💥'.repeat(20), 'é\u0301'],
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', '-0', 'NaN', '1e999', '0x10'],
  ...['s1', 'null', 'true', '[', '{', '"', '\\', '\\u', "'", 'data:,', 'file:///etc/passwd'],
  ...['9'.repeat(400), '-'.repeat(64), 'a'.repeat(65), 'x'.repeat(5_000), '2026-02-30T25:61:61Z'],
];
const HOSTILE_NUMBERS: readonly number[] = [
  ...[0, -0, -1, 1, 0.5, 255, 256, 65_535, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 53)],
  ...[1e21, 1e308, -1e308, 5e-324, 1e999, 0.1 + 0.2],
];
const HOSTILE_BYTES: readonly number[] = [
  0, 1, 0x0a, 0x0d, 0x20, 0x22, 0x5b, 0x7b, 0x7f, 0x80, 0xff,
];

export function createFuzzSource(random: Random): FuzzSource {
  return new Source(random);
}

class Source implements FuzzSource {
  readonly given: string[] = [];

  constructor(readonly random: Random) {}

  pick<T>(list: readonly T[]): T {
    const item = list[this.random.below(list.length)];
    if (list.length === 0) throw new RangeError('nothing to pick from');
    return item as T;
  }

  bytes(samples: readonly Uint8Array[]): Uint8Array {
    const bytes = this.damaged(this.pick(samples), samples);
    this.note(Buffer.from(bytes).toString('base64'));
    return bytes;
  }

  text(samples: readonly string[]): string {
    const text = this.damagedText(this.pick(samples));
    this.note(JSON.stringify(text));
    return text;
  }

  value(samples: readonly unknown[]): unknown {
    const value = this.exchanged(this.pick(samples), samples);
    this.note(shown(value));
    return value;
  }

  json(samples: readonly unknown[]): Uint8Array {
    if (this.random.chance(0.02)) return this.deepJson();
    const text = JSON.stringify(this.value(samples) ?? null);
    const bytes = Buffer.from(text);
    return this.random.chance(0.2) ? this.bytes([bytes]) : bytes;
  }

  private note(text: string): void {
    this.given.push(text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text);
  }

  /** Nests deeper than a recursive reader can bear. */
  private deepJson(): Uint8Array {
    const depth = this.pick([100, 1_000, 16_000]);
    const isList = this.random.chance(0.5);
    const inner = isList
      ? '['.repeat(depth) + ']'.repeat(depth)
      : '{"a":'.repeat(depth / 2) + '1' + '}'.repeat(depth / 2);
    const name = this.pick(['model', 'text', 'inputs', 'a', 'key', 'prompt', 'manifest']);
    this.note(`${depth} deep, ${isList ? 'lists' : 'objects'}, in ${name}`);
    return Buffer.from(this.random.chance(0.5) ? inner : `{"${name}":${inner}}`);
  }

  private damaged(source: Uint8Array, samples: readonly Uint8Array[]): Uint8Array {
    let bytes: Uint8Array = new Uint8Array(source);
    for (let rounds = 1 + this.random.below(4); rounds > 0; rounds -= 1) {
      bytes = this.damagedOnce(bytes, samples);
    }
    return bytes.subarray(0, MAX_BYTES);
  }

  private damagedOnce(bytes: Uint8Array, samples: readonly Uint8Array[]): Uint8Array {
    const at = this.random.below(bytes.length + 1);
    const end = Math.min(bytes.length, at + 1 + this.random.below(16));
    const head = bytes.subarray(0, at);
    switch (this.random.below(8)) {
      case 0:
        return head;
      case 1:
        return joined(head, bytes.subarray(end));
      case 2:
        return joined(head, Uint8Array.of(this.pick(HOSTILE_BYTES)), bytes.subarray(at));
      case 3:
        return joined(head, bytes.subarray(at, end), bytes.subarray(at));
      case 4: {
        const other = this.pick(samples);
        return joined(head, other.subarray(this.random.below(other.length + 1)));
      }
      case 5:
        // A long varint, or a length beyond the end.
        return joined(
          head,
          new Uint8Array(1 + this.random.below(11)).fill(0xff),
          bytes.subarray(at),
        );
      case 6: {
        const length = this.random.below(256);
        const noise = Uint8Array.from({ length }, () => this.random.below(256));
        return joined(head, noise, bytes.subarray(end));
      }
      default: {
        const copy = new Uint8Array(bytes);
        if (copy.length > 0) copy[at % copy.length] = this.random.below(256);
        return copy;
      }
    }
  }

  private damagedText(text: string): string {
    const at = this.random.below(text.length + 1);
    const hostile = this.pick(HOSTILE_TEXTS);
    switch (this.random.below(6)) {
      case 0:
        return text;
      case 1:
        return hostile;
      case 2:
        return text.slice(0, at) + hostile + text.slice(at);
      case 3:
        return text.slice(0, at);
      case 4: {
        const parts = text.split(/([./@:,-])/);
        parts[this.random.below(parts.length)] = hostile;
        return parts.join('');
      }
      default:
        return text.slice(0, at) + String.fromCharCode(this.random.below(0x10000)) + text.slice(at);
    }
  }

  /** Walks to a random place of the value and puts something else there. */
  private exchanged(value: unknown, samples: readonly unknown[]): unknown {
    const isLeaf = typeof value !== 'object' || value === null;
    if (isLeaf || this.random.chance(0.1)) return this.hostileValue(value, samples);
    if (Array.isArray(value)) return this.exchangedList(value, samples);
    const entries = Object.entries(value);
    const at = this.random.below(entries.length + 1);
    const chosen = entries[at];
    if (chosen === undefined)
      entries.push([this.pick(HOSTILE_TEXTS), this.hostileValue(1, samples)]);
    else if (this.random.chance(0.15)) entries.splice(at, 1);
    else if (this.random.chance(0.1)) chosen[0] = this.damagedText(chosen[0]);
    else chosen[1] = this.exchanged(chosen[1], samples);
    // Unlike fromEntries, JSON makes an own field of "__proto__"; so does this.
    const result: Record<string, unknown> = {};
    for (const [name, item] of entries) {
      const field = { value: item, enumerable: true, configurable: true, writable: true };
      Object.defineProperty(result, name, field);
    }
    return result;
  }

  private exchangedList(list: readonly unknown[], samples: readonly unknown[]): unknown {
    const copy = [...list];
    const at = this.random.below(copy.length + 1);
    if (at === copy.length) copy.push(this.hostileValue(copy[0], samples));
    else if (this.random.chance(0.2)) copy.splice(at, 1);
    else if (this.random.chance(0.1)) copy.push(...copy, ...copy);
    else copy[at] = this.exchanged(copy[at], samples);
    return copy;
  }

  private hostileValue(value: unknown, samples: readonly unknown[]): unknown {
    switch (this.random.below(8)) {
      case 0:
        return null;
      case 1:
        return this.pick(HOSTILE_NUMBERS);
      case 2:
        return this.random.chance(0.5);
      case 3:
        return [value, value];
      case 4:
        return { [this.pick(['a', 'length', 'type', 'data', 'toJSON'])]: value };
      case 5:
        return this.pick(samples);
      default:
        return this.damagedText(typeof value === 'string' ? value : String(value).slice(0, 100));
    }
  }
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

function shown(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return 'a value that is no JSON';
  }
}

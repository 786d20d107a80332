/**
 * What ONNX Runtime throws, for people: its reason without the places in its own sources, which
 * come first and would be all that fits, and without the folders of this machine.
 */
import { LlmosError } from '@llmos/base';
import { hideFolders } from '../../models/hidden-folders';

const MOST_CHARS = 400;

/** `foo.cc:12 `, with or without folders. */
const PLACE = /(?<folder>\/[^\s:]*\/)?[\w.-]+\.(?:cc|cpp|h|hpp|inl|cu|cuh):\d+[ \n]/;

/** @param folders of this machine that the reason may name. */
export function reasonOf(thrown: unknown, folders: readonly string[]): string {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const shown = hideFolders(withoutPlaces(message.slice(0, 16 * MOST_CHARS)), folders)
    .replaceAll(/\[ONNXRuntimeError\] : \d+ : \w+ : /g, '')
    .replace(/^Load model from .*? failed: ?/, '');
  const line = shown
    .split('\n')
    .map((each) => each.trim())
    .find((each) => each !== '');
  if (line === undefined) return 'the runtime does not say why';
  return line.length > MOST_CHARS ? `${line.slice(0, MOST_CHARS)}…` : line;
}

/** A run found no memory: others may run here all the same, and this one elsewhere. */
export function runError(thrown: unknown, folders: readonly string[]): LlmosError {
  const reason = reasonOf(thrown, folders);
  const options = { cause: thrown };
  if (!/bad_alloc|Failed to allocate memory/.test(reason)) {
    return new LlmosError('INTERNAL', `the model failed: ${reason}`, options);
  }
  const bytes = /buffer of size (\d+)/.exec(reason)?.[1];
  const what = bytes === undefined ? '' : `, ${bytes} bytes for one tensor`;
  const message = `the model needs more memory than its process may take${what}: send fewer rows`;
  return new LlmosError('RESOURCE_EXHAUSTED', message, { ...options, retryable: true });
}

function withoutPlaces(message: string): string {
  let text = message;
  for (let place = PLACE.exec(text); place !== null; place = PLACE.exec(text)) {
    const before = text.slice(0, place.index);
    const after = text.slice(place.index + place[0].length);
    // With its folders a place is followed by the whole signature, else by the function's name.
    const isFull = place.groups?.['folder'] !== undefined;
    text = before + (isFull ? afterSignature(after) : after.replace(/^\w+\s/, ''));
  }
  return text;
}

/** `virtual A* b::C<D>::e(const F&, g(h)) const [with D = int] the rest`: the rest. */
function afterSignature(text: string): string {
  let at = text.indexOf('(');
  if (at < 0) return text;
  while (text[at] === '(') at = closingOf(text, at) + 1;
  return text
    .slice(at)
    .replace(/^ const\b/, '')
    .replace(/^ \[with [^\]]*\]/, '')
    .trimStart();
}

function closingOf(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length; at += 1) {
    if (text[at] === '(') depth += 1;
    if (text[at] === ')') depth -= 1;
    if (depth === 0) return at;
  }
  return text.length;
}

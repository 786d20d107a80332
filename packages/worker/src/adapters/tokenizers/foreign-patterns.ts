/**
 * Whether a tokenizer brings regular expressions of its own. Those that most published tokenizers
 * share are known to take time in proportion to the text; any other may take for ever.
 */
import { isRecord } from '@llmos/base';

const LETTERS = '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+';
const REST = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const SHORTENED = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";

const KNOWN_PATTERNS: ReadonlySet<string> = new Set([
  // GPT-2 and those after it.
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  // Llama 3, Qwen 2 and many others.
  `${SHORTENED}|${LETTERS}|\\p{N}{1,3}|${REST}`,
  `${SHORTENED}|${LETTERS}|\\p{N}|${REST}`,
  '\\s+',
  ' {2,}',
  '\\p{N}',
  '\\p{N}{1,3}',
]);

/** @param parts of tokenizer.json: its normalizer, pre-tokenizer or decoder. */
export function hasForeignPattern(...parts: readonly unknown[]): boolean {
  return parts.some((part) => {
    if (Array.isArray(part)) return hasForeignPattern(...(part as unknown[]));
    if (!isRecord(part)) return false;
    const { Regex: pattern } = part;
    if (typeof pattern === 'string' && !KNOWN_PATTERNS.has(pattern)) return true;
    return hasForeignPattern(...Object.values(part));
  });
}

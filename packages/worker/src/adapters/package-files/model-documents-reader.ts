/** Reads the JSON files of a package. A file that is there but is not JSON is refused by name. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { LlmosError, isRecord } from '@llmos/base';
import { MODEL_LIMITS } from '../../models/limits';
import type { JsonObject, ModelDocuments } from '../../models/model-documents';
import { EMPTY_OBJECT } from '../../models/model-documents';

/** @param paths the files that exist in the folder; others are taken as absent. */
export function readModelDocuments(folder: string, paths: readonly string[]): ModelDocuments {
  const known = new Set(paths);
  const text = (path: string): string | undefined =>
    known.has(path) ? readDocument(folder, path) : undefined;
  const json = (path: string): unknown => {
    const content = text(path);
    return content === undefined ? undefined : parseDocument(content, path);
  };
  const object = (path: string): JsonObject | undefined => {
    const value = json(path);
    if (value === undefined || isRecord(value)) return value;
    throw invalid(`${path} is not a JSON object`);
  };
  const tokenizer = object('tokenizer.json');
  const sentenceModules = moduleTypes(json('modules.json'));
  const chatTemplate = text('chat_template.jinja');
  return {
    config: object('config.json') ?? EMPTY_OBJECT,
    tokenizerConfig: object('tokenizer_config.json') ?? EMPTY_OBJECT,
    generationConfig: object('generation_config.json') ?? EMPTY_OBJECT,
    genaiConfig: object('genai_config.json') ?? EMPTY_OBJECT,
    pooling: object('1_Pooling/config.json') ?? EMPTY_OBJECT,
    sentenceConfig: object('sentence_bert_config.json') ?? EMPTY_OBJECT,
    ...(tokenizer === undefined ? {} : { tokenizer }),
    ...(sentenceModules === undefined ? {} : { sentenceModules }),
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
  };
}

const DOCUMENT_PATHS: readonly string[] = [
  'tokenizer.json',
  'modules.json',
  'chat_template.jinja',
  'config.json',
  'tokenizer_config.json',
  'generation_config.json',
  'genai_config.json',
  '1_Pooling/config.json',
  'sentence_bert_config.json',
];

/** The same for a folder whose files are not listed. */
export function readPackageDocuments(folder: string): ModelDocuments {
  return readModelDocuments(
    folder,
    DOCUMENT_PATHS.filter((path) => existsSync(join(folder, path))),
  );
}

function moduleTypes(document: unknown): readonly string[] | undefined {
  if (!Array.isArray(document)) return undefined;
  return document.flatMap((item: unknown) =>
    isRecord(item) && typeof item['type'] === 'string' ? [item['type']] : [],
  );
}

function readDocument(folder: string, path: string): string {
  const full = join(folder, path);
  const { size } = statSync(full);
  if (size > MODEL_LIMITS.maxDocumentBytes) {
    throw invalid(`${path} has ${size} bytes; at most ${MODEL_LIMITS.maxDocumentBytes} are read`);
  }
  return readFileSync(full, 'utf8');
}

function parseDocument(content: string, path: string): unknown {
  try {
    return JSON.parse(content.startsWith('\uFEFF') ? content.slice(1) : content);
  } catch (thrown) {
    throw invalid(`${path} is not JSON: ${(thrown as Error).message}`);
  }
}

function invalid(message: string): LlmosError {
  return new LlmosError('INVALID_ARGUMENT', message);
}

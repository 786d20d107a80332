/** The golden outputs that come with the models, and what must hold against them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Reads `golden.json` of a model folder; the caller names the shape it knows. */
export function readGolden<Shape>(modelFolder: string): Shape {
  return JSON.parse(readFileSync(join(modelFolder, 'golden.json'), 'utf8')) as Shape;
}

export interface GoldenStory {
  readonly prompt: string;
  readonly prompt_ids: readonly number[];
  readonly greedy_ids: readonly number[];
  readonly greedy_text: string;
}

export interface GoldenEmbeddings {
  readonly items: readonly {
    readonly text: string;
    readonly embedding_first8: readonly number[];
  }[];
  readonly cosine: readonly (readonly number[])[];
}

export interface GoldenLabels {
  readonly text: string;
  readonly top: readonly { readonly label: string; readonly score: number }[];
}

export interface GoldenEntities {
  readonly text: string;
  readonly entities: readonly {
    readonly label: string;
    readonly start: number;
    readonly end: number;
    readonly text: string;
  }[];
}

export function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);
}

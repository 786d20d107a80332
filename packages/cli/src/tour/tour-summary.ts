/** What the tour measured; `npm start -- --once` prints it as its last line. */
import type { Entity, Label } from '@llmos/base';

export interface GenerateSummary {
  readonly model: string;
  readonly prompt: string;
  readonly text: string;
  readonly tokens: number;
  readonly chunks: number;
  readonly firstChunkMs: number;
  readonly tokensPerSecond: number;
}

export interface Ranked {
  readonly text: string;
  readonly similarity: number;
}

export interface EmbedSummary {
  readonly model: string;
  readonly query: string;
  readonly dimensions: number;
  /** Most similar first. */
  readonly ranked: readonly Ranked[];
}

export interface Classified extends Label {
  readonly text: string;
}

export interface ClassifySummary {
  readonly intents: readonly Classified[];
  readonly sentiment: readonly Classified[];
}

export interface ExtractSummary {
  readonly model: string;
  readonly text: string;
  readonly entities: readonly Entity[];
}

export interface PrioritySummary {
  readonly batchTasks: number;
  /** Place of the interactive task among all in the order they finished, from 1. */
  readonly position: number;
  /** Tasks of the batch that were queued before it and finished after it. */
  readonly overtaken: number;
  readonly interactiveMs: number;
  /** From the submission of the first to the end of the last task of the batch. */
  readonly batchMs: number;
}

export interface TourSummary {
  readonly generate: GenerateSummary;
  readonly embed: EmbedSummary;
  readonly classify: ClassifySummary;
  readonly extract: ExtractSummary;
  readonly priority: PrioritySummary;
}

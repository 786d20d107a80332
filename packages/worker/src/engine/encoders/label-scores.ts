/** From logits to labels with scores. */
import type { Label } from '@llmos/base';
import type { LabelSettings, ScoreFunction } from '../../models/model-settings';
import { labelOf } from '../../models/model-settings';

/** Probabilities of one set of logits. */
export function scoresOf(logits: Float32Array, by: ScoreFunction): Float64Array {
  const values = Float64Array.from(logits);
  if (by === 'none') return values;
  if (by === 'sigmoid') return values.map((value) => 1 / (1 + Math.exp(-value)));
  const largest = values.reduce((most, value) => Math.max(most, value), -Infinity);
  const powers = values.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/** The best `topK` labels, best first; equal scores keep the model's order. */
export function rankLabels(
  logits: Float32Array,
  settings: LabelSettings,
  topK: number,
): readonly Label[] {
  const scores = scoresOf(logits, settings.scores);
  const order = Array.from(scores, (_, index) => index);
  order.sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0) || a - b);
  return order
    .slice(0, topK)
    .map((index) => ({ label: labelOf(settings, index), score: scores[index] ?? 0 }));
}

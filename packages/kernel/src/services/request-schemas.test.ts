import { NO_TRAITS } from '@llmos/base';
import { checkFunctionDefinition, definitionOf } from './request-schemas';

const ROW = { name: 'mine', description: '', input: {}, output: {}, runs: 'model' } as const;

it('reads what the row of a function leaves out of its traits as none', () => {
  expect(checkFunctionDefinition(ROW)).toBeUndefined();
  expect(definitionOf(ROW).traits).toEqual(NO_TRAITS);
  const streams = { ...ROW, traits: { streams: true } };
  expect(checkFunctionDefinition(streams)).toBeUndefined();
  expect(definitionOf(streams).traits).toEqual({ ...NO_TRAITS, streams: true });
});

it('refuses traits that nobody knows, and those that contradict each other', () => {
  const refusal = (traits: object): string | undefined =>
    checkFunctionDefinition({ ...ROW, traits })?.message;
  expect(refusal({ isFast: true })).toContain('isFast');
  expect(refusal({ streams: 'yes' })).toContain('streams');
  expect(refusal({ preemptible: true })).toContain('must be resumable');
  expect(refusal({ preemptible: true, resumable: true })).toBeUndefined();
});

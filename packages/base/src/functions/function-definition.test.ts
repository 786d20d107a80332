import { BUILT_IN_FUNCTIONS, builtInTraits } from './built-in';
import { NO_TRAITS, traitsIn } from './function-definition';

it('holds a function that nobody knows for one that promises nothing', () => {
  expect(builtInTraits('of nobody')).toEqual(NO_TRAITS);
  expect(traitsIn([])('generate')).toEqual(NO_TRAITS);
});

it('ships no function that can be given back and not go on', () => {
  for (const { traits } of BUILT_IN_FUNCTIONS) {
    if (traits.preemptible) expect(traits.resumable).toBe(true);
  }
  expect(builtInTraits('generate')).toMatchObject({ preemptible: true, resumable: true });
});

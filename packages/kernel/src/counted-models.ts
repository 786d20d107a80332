/** Very many models that count how often one is looked at: for tests of what grows with them. */
import type { ModelRegistration } from '@llmos/base';
import { modelOf } from './core-fixture';

export interface CountedModels {
  readonly models: readonly ModelRegistration[];
  /** How often one of the fields of any of them was read meanwhile. */
  readonly looksAt: (act: () => void) => number;
}

export function countedModels(
  count: number,
  fields: readonly (keyof ModelRegistration)[] = ['name', 'manifest'],
): CountedModels {
  let looks = 0;
  const models = Array.from({ length: count }, (_, at): ModelRegistration => {
    const model = modelOf(`model-${String(at).padStart(4, '0')}`);
    const counted = { ...model };
    for (const field of fields) {
      Object.defineProperty(counted, field, {
        enumerable: true,
        get: () => {
          looks += 1;
          return model[field];
        },
      });
    }
    return counted;
  });
  return {
    models,
    looksAt: (act) => {
      const before = looks;
      act();
      return looks - before;
    },
  };
}

import type { Urgency } from '@llmos/base';
import { SavedContexts } from './saved-contexts';

const context = (bytes: number, more: Partial<Urgency> & { isGivenBack?: boolean } = {}) => {
  const { isGivenBack = false, ...urgency } = more;
  return {
    saved: { tokenCount: 1, bytes, parts: [] },
    ids: [1],
    urgency: { class: 'standard', priority: 5, sequence: 1, ...urgency } as const,
    isGivenBack,
  };
};
const kept = (contexts: SavedContexts, ...keys: readonly string[]) =>
  keys.filter((key) => contexts.find(key) !== undefined);

describe('saved contexts', () => {
  it('drop what was given back first, the oldest of it, then the least urgent', () => {
    const contexts = new SavedContexts(30);
    contexts.keep('batch', context(10, { class: 'batch' }));
    contexts.keep('back-1', context(10, { isGivenBack: true }));
    contexts.keep('back-2', context(10, { isGivenBack: true, class: 'interactive' }));
    contexts.keep('urgent', context(10, { class: 'interactive' }));
    expect(kept(contexts, 'batch', 'back-1', 'back-2', 'urgent')).toEqual([
      'batch',
      'back-2',
      'urgent',
    ]);
    contexts.keep('standard', context(20));
    expect(kept(contexts, 'batch', 'back-2', 'urgent', 'standard')).toEqual(['urgent', 'standard']);
    expect([contexts.bytes, contexts.count]).toEqual([30, 2]);
  });

  it('do not keep what is larger than all the room', () => {
    const contexts = new SavedContexts(10);
    contexts.keep('large', context(11));
    expect([contexts.find('large'), contexts.bytes]).toEqual([undefined, 0]);
  });

  it('keep what was given back when its request is answered, and drop the rest', () => {
    const contexts = new SavedContexts(100);
    contexts.keep('a', context(10));
    contexts.keep('b', context(10));
    contexts.giveBack('a');
    contexts.dropWaiting('a');
    contexts.dropWaiting('b');
    expect(kept(contexts, 'a', 'b')).toEqual(['a']);
    contexts.drop('a');
    expect(contexts.bytes).toBe(0);
  });
});

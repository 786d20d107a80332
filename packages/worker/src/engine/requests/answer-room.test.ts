import { assertValueFits } from './answer-room';

const label = { label: 'refund', score: 0.25 };

describe('the least that an output takes', () => {
  it.each(['json', 'protobuf'] as const)('is no more than it takes as %s', (format) => {
    const values = [
      { embeddings: [[0, 1.5, -2e-9]] },
      { labels: [label, { label: '', score: 0 }] },
      { text: 'é"\n', tokens: [], promptTokens: 0, finishReason: 'stop', logprobs: undefined },
      { value: null },
    ];
    for (const value of values) {
      const maxBytes = format === 'json' ? JSON.stringify(value).length : 4096;
      expect(() => assertValueFits(value, { format, maxBytes })).not.toThrow();
    }
  });

  it('refuses what can not fit, naming it, without walking all of it', () => {
    let walked = 0;
    const labels = Array.from({ length: 1000 }, () => ({
      get label() {
        walked += 1;
        return 'refund';
      },
      score: 0.5,
    }));
    const refused = () => assertValueFits({ labels }, { format: 'json', maxBytes: 200 });
    expect(refused).toThrow(/would have at least \d+ bytes \(labels\), the limit is 200/);
    expect(walked).toBeLessThan(20);
  });
});

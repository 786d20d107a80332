// The order of test files: the long ones first, so that no worker is left alone with one at the end.
const Sequencer = require('@jest/test-sequencer').default;

const LONG = [
  'tests/bench/soak.test.ts',
  'packages/worker/src/host/continuous-batching.test.ts',
  'tests/e2e/streams-survive.test.ts',
  'tests/e2e/survival.test.ts',
  'tests/e2e/preemption.test.ts',
];

module.exports = class LongTestsFirst extends Sequencer {
  sort(tests) {
    const rank = ({ path }) => {
      const at = LONG.findIndex((name) => path.endsWith(name));
      return at < 0 ? LONG.length : at;
    };
    return [...super.sort(tests)].sort((a, b) => rank(a) - rank(b));
  }
};

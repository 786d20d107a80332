// A jest reporter that leaves the totals where scripts/test.mjs reads them.
const { writeFileSync } = require('node:fs');

module.exports = class TotalsReporter {
  onRunComplete(_contexts, results) {
    const file = process.env.LLMOS_TEST_TOTALS;
    if (file === undefined) return;
    const totals = {
      passed: results.numPassedTests,
      // A file that can't even be loaded holds no failed test, but it failed.
      failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
      skipped: results.numPendingTests + results.numTodoTests,
    };
    writeFileSync(file, JSON.stringify(totals));
  }
};

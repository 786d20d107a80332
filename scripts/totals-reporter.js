// A jest reporter that leaves the totals, by file, where scripts/run-tests.mjs reads them.
const { writeFileSync } = require('node:fs');

module.exports = class TotalsReporter {
  onRunComplete(_contexts, results) {
    const file = process.env.LLMOS_TEST_TOTALS;
    if (file === undefined) return;
    const files = results.testResults.map((of) => ({
      path: of.testFilePath,
      passed: of.numPassingTests,
      // A file that can't even be loaded holds no failed test, but it failed.
      failed: of.numFailingTests + (of.testExecError === undefined ? 0 : 1),
      skipped: of.numPendingTests + of.numTodoTests,
    }));
    // What failed outside of every test, as an open handle that jest was asked to find.
    writeFileSync(file, JSON.stringify({ files, isInterrupted: results.wasInterrupted === true }));
  }
};

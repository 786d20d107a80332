// Tests run on the TypeScript sources, so a test never sees a stale build. Tests of whole programs
// (tests/integration, tests/e2e) start them from dist: scripts/test.mjs builds first.
/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/packages', '<rootDir>/tests'],
  testMatch: ['<rootDir>/packages/**/src/**/*.test.ts', '<rootDir>/tests/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        sourceMaps: 'inline',
        module: { type: 'commonjs' },
        jsc: { target: 'es2022', keepClassNames: true, parser: { syntax: 'typescript' } },
      },
    ],
  },
  moduleNameMapper: {
    '^@llmos/proto$': '<rootDir>/proto/gen/index.ts',
    '^@llmos/proto/node$': '<rootDir>/proto/gen/llmos/v1/node.ts',
    '^@llmos/([a-z-]+)/testing$': '<rootDir>/packages/$1/src/testing.ts',
    '^@llmos/([a-z-]+)$': '<rootDir>/packages/$1/src/index.ts',
  },
  testSequencer: '<rootDir>/tests/support/long-tests-first.cjs',
  maxWorkers: 2,
  testTimeout: 240_000,
  watchman: false,
};

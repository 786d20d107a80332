export * from './command-host';
export * from './run-cli';

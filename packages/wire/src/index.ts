export * from './process-codec';

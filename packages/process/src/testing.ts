// What reads foreign bytes, for the fuzzer.
export { readStoredResult } from './adapters/jetstream/result-codec';

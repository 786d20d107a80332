/** For tests of any package: the parts of a worker without its programs. */
export * from './actors/host-protocol';
export * from './actors/thread-protocol';
export { openConnection } from './adapters/jetstream/connection';
export * from './adapters/jetstream/jetstream-model-store';
export * from './adapters/os/fs-package-disk';
export * from './models/model-cache';
export * from './host/process-host';

// What reads foreign bytes, for the fuzzer.
export { readLeader, watchLeader } from './adapters/jetstream/leader-watch';
export { scanGraph } from './adapters/onnxruntime/graph-scan';
export { tinyGraph } from './adapters/onnxruntime/tiny-graph';
export { decodeProtobufBody } from './adapters/protobuf/function-codec';
export { echoProtobuf } from './adapters/protobuf/echo-codec';
export { openTokenizer } from './adapters/tokenizers/hugging-face-tokenizer';
export { openChatTemplate } from './adapters/tokenizers/jinja-chat-template';
export { decodeJsonBody } from './engine/requests/json-body';
export { assertInputs } from './engine/tensors/infer-inputs';
export { RequestReader } from './engine/requests/request-reader';
export { encodeTensorsJson } from './engine/tensors/tensor-json';
export { parseTensor } from './engine/tensors/tensor-values';
export { externalPaths } from './models/external-files';
export { parseManifestFields } from './models/manifest-fields';
export type { ModelDocuments } from './models/model-documents';
export { inferManifest } from './models/model-manifest';
export { readGenerationSettings, readLabelSettings } from './models/model-settings';
export { assertPackageFiles, checkPackagePath } from './models/package-path';
export { parseRegistration } from './models/registration';

export { LlmosError, ERROR_CODES } from '@llmos/base';
export type {
  ChatMessage,
  ClassifyInput,
  ClassifyOutput,
  EmbedInput,
  EmbedOutput,
  Entity,
  ErrorBody,
  ErrorCode,
  ExtractInput,
  ExtractOutput,
  FunctionDefinition,
  GenerateChunk,
  GenerateInput,
  GenerateOutput,
  InferInput,
  InferOutput,
  Label,
  ModelRegistration,
  NodeRow,
  ProcessRow,
  SpawnRequest,
  SystemInfo,
  TaskClass,
  TaskStatus,
  TensorType,
  TensorValue,
} from '@llmos/base';
export type { TaskOptions, WaitOptions } from './call-options';
export { connect } from './client';
export type { ConnectOptions } from './client';
export type { NatsTlsOptions } from './adapters/nats/nats-connect';
export type { BuiltInCalls } from './functions/built-in-calls';
export type {
  BuiltInFunctions,
  ClassifyFunction,
  ExtractFunction,
  GenerateFunction,
  InputOf,
  OutputOf,
} from './functions/function-map';
export { readTensor, tensor } from './functions/tensor';
export type { TensorArray, TensorElement, TensorSource } from './functions/tensor';
export type { LlmosClient } from './llmos-client';
export type { AddModelOptions, PackageDescription, UploadProgress } from './model-upload';
export type { ReplyStream } from './reply-stream';
export type { TaskHandle, TaskHandleStatus } from './task-handle';

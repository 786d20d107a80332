export { LlmosError, ERROR_CODES } from '@llmos/base';
export type {
  Block,
  BlockCause,
  BlockedModel,
  ChatMessage,
  ChosenLogprob,
  ClassifyInput,
  ClassifyOutput,
  EmbedInput,
  EmbedOutput,
  Entity,
  ErrorBody,
  ErrorCode,
  ExtractInput,
  ExtractOutput,
  FinishReason,
  FunctionDefinition,
  GenerateChunk,
  GenerateInput,
  GenerateOutput,
  GenerateSample,
  InferInput,
  InferOutput,
  IntakeRow,
  Label,
  ModelRegistration,
  NodeFault,
  NodeRow,
  ProcessContexts,
  ProcessRow,
  SpawnRequest,
  StreamLoad,
  LimitRow,
  SystemInfo,
  TaskClass,
  TaskId,
  TaskStatus,
  TaskWait,
  TenantId,
  TensorType,
  TensorValue,
  TokenLogprob,
} from '@llmos/base';
export type { SubmitOptions, TaskOptions, WaitOptions } from './call-options';
export { connect } from './client';
export type { ConnectOptions, NatsTlsOptions } from './connect-options';
export type { DeadLetter, DeadLetters } from './dead-letters';
export type { EventOptions, LifecycleEvent } from './events';
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
export type { StreamDescription } from './ports/stored-messages';
export type { ReplyStream } from './reply-iterator';
export type { AttachOptions, TaskHandle, TaskHandleStatus } from './task-handle';
export type { PruneOptions, StoredResults } from './stored-results';

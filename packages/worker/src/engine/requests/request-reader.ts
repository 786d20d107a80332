/** From the bytes of a request to an input that an engine can trust. */
import type { ErrorBody, ModelRef } from '@llmos/base';
import {
  BUILT_IN_FUNCTIONS,
  LlmosError,
  compileSchemaCheck,
  isRecord,
  parseModelRef,
  quoteShort,
} from '@llmos/base';
import type { ThreadRequest } from '../../actors/thread-protocol';
import type { AnswerRoom } from './answer-room';
import { ANY_ROOM } from './answer-room';
import type { EngineRequest } from '../engine';

export type DecodeBody = (request: ThreadRequest) => unknown;

type Check = (value: unknown) => ErrorBody | undefined;

export class RequestReader {
  /** Schemas compile to code, once per thread. */
  private readonly checks = new Map<string, Check>();

  constructor(private readonly decodeBody: DecodeBody) {}

  /** Throws INVALID_ARGUMENT that names the offending value. */
  read(request: ThreadRequest): EngineRequest {
    const input = this.decodeBody(request);
    const error = this.checkOf(request.function)(input);
    if (error !== undefined) throw LlmosError.fromBody(error);
    assertModel(input, request.model);
    return {
      requestId: request.requestId,
      function: request.function,
      input,
      stream: request.stream,
      resumeTokens: request.resumeTokens ?? [],
      seedText: request.seedText,
      tenant: request.tenant ?? '',
      class: request.class,
      priority: request.priority,
      sequence: request.sequence,
      room: roomOf(request),
      ...(request.key === undefined ? {} : { key: request.key }),
    };
  }

  private checkOf(functionName: string): Check {
    const known = this.checks.get(functionName);
    if (known !== undefined) return known;
    const definition = BUILT_IN_FUNCTIONS.find((candidate) => candidate.name === functionName);
    if (definition === undefined) {
      throw new LlmosError('UNIMPLEMENTED', `no model runs the function ${functionName}`);
    }
    const check = compileSchemaCheck(definition.input, `input of ${functionName}`);
    this.checks.set(functionName, check);
    return check;
  }
}

/** A model may be named in the header, in the body, or in both if they agree. */
function assertModel(input: unknown, named: string | undefined): void {
  const written = isRecord(input) ? input['model'] : undefined;
  if (written === undefined) return;
  const inBody = parseModelRef(written);
  if (inBody === undefined) {
    throw invalid(`model is ${quoteShort(written)}: it must be NAME or NAME@VERSION`);
  }
  const inHeader = named === undefined ? undefined : parseModelRef(named);
  if (inHeader !== undefined && !isSameModel(inBody, inHeader)) {
    throw invalid(`model is ${quoteShort(written)}, but the header names ${quoteShort(named)}`);
  }
}

function isSameModel(a: ModelRef, b: ModelRef): boolean {
  const isSameVersion =
    a.version === undefined || b.version === undefined || a.version === b.version;
  return a.name === b.name && isSameVersion;
}

/** What the answer to a request may take. */
export function roomOf(request: Pick<ThreadRequest, 'format' | 'maxAnswerBytes'>): AnswerRoom {
  const { format, maxAnswerBytes = ANY_ROOM.maxBytes } = request;
  return { format, maxBytes: maxAnswerBytes };
}

function invalid(message: string): LlmosError {
  return new LlmosError('INVALID_ARGUMENT', message);
}

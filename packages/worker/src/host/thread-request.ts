/** An attempt as its actor thread is asked to run it. */
import type { Attempt } from '@llmos/process';
import type { ThreadRequest } from '../actors/thread-protocol';

export function requestOf(requestId: number, attempt: Attempt): ThreadRequest {
  const { spec, body, resumeTokens, maxResultBytes } = attempt;
  return {
    requestId,
    function: spec.function,
    format: spec.format,
    body,
    tenant: spec.tenant,
    ...(spec.key === undefined ? {} : { key: spec.key }),
    ...(spec.model === undefined ? {} : { model: spec.model }),
    stream: spec.stream,
    ...(resumeTokens.length === 0 ? {} : { resumeTokens }),
    seedText: `${spec.tenant}/${spec.task}`,
    class: spec.class,
    priority: spec.priority,
    sequence: spec.sequence,
    maxAnswerBytes: maxResultBytes,
  };
}

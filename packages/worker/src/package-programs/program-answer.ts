/**
 * Asks one of our programs that read packages of strangers in an OS process of its own: a request
 * as its argument, progress over IPC, one line of JSON at its end. Whatever a package does, it does
 * to that process.
 */
import { spawn } from 'node:child_process';
import { LlmosError, isErrorCode, isRecord } from '@llmos/base';
import { onnxEnvironment } from '../adapters/os/onnx-environment';
import { CHECK_LIMITS } from '../limits';

export interface ProgramProgress {
  readonly step: string;
  /** Done of this step, 0 to 1, where it is known. */
  readonly fraction?: number;
}

export interface ProgramQuestion {
  /** Path of the program. */
  readonly entry: string;
  readonly request: object;
  readonly timeoutMs: number;
  /** For messages: `the package was not checked`, `the process that loaded the model`. */
  readonly late: string;
  readonly process: string;
  readonly onProgress?: (progress: ProgramProgress) => void;
  readonly signal?: AbortSignal;
}

/** Resolves to the fields of its answer; rejects with the LlmosError that it answers. */
export function askProgram<Answer>(question: ProgramQuestion): Promise<Answer> {
  const { timeoutMs } = question;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [question.entry, JSON.stringify(question.request)], {
      stdio: ['ignore', 'pipe', 'ignore', 'ipc'],
      env: onnxEnvironment(),
    });
    let output = '';
    let isOver = false;
    const end = (settle: () => void): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      question.signal?.removeEventListener('abort', abort);
      child.kill('SIGKILL');
      settle();
    };
    const abort = (): void =>
      end(() => reject(new LlmosError('CANCELLED', 'the check was cancelled')));
    const timer = setTimeout(() => {
      const message = `${question.late} within ${timeoutMs} ms`;
      end(() => reject(new LlmosError('DEADLINE_EXCEEDED', message)));
    }, timeoutMs);
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-CHECK_LIMITS.maxAnswerChars);
    });
    child.on('message', (message) => {
      const progress = parseProgress(message);
      if (progress !== undefined) question.onProgress?.(progress);
    });
    child.on('error', (cause) =>
      end(() => reject(new LlmosError('INTERNAL', 'the check did not start', { cause }))),
    );
    child.on('close', (code, signal) => {
      const ending = `${question.process} ended with ${signal ?? `code ${code ?? 0}`} and no answer`;
      end(() => settleBy<Answer>(output, ending, { resolve, reject }));
    });
    question.signal?.addEventListener('abort', abort, { once: true });
    if (question.signal?.aborted === true) abort();
  });
}

function parseProgress(message: unknown): ProgramProgress | undefined {
  if (!isRecord(message) || typeof message['step'] !== 'string') return undefined;
  const { step, fraction } = message;
  return typeof fraction === 'number' ? { step, fraction } : { step };
}

interface Settle<Answer> {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: LlmosError) => void;
}

function settleBy<Answer>(output: string, ending: string, settle: Settle<Answer>): void {
  const answer = parseAnswer<Answer>(output);
  if (answer === undefined) settle.reject(new LlmosError('FAILED_PRECONDITION', ending));
  else if (answer instanceof LlmosError) settle.reject(answer);
  else settle.resolve(answer);
}

/** The last line counts: drivers may write before it. */
function parseAnswer<Answer>(output: string): Answer | LlmosError | undefined {
  let value: unknown;
  try {
    value = JSON.parse(output.trim().split('\n').at(-1) ?? '');
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  if (value['ok'] === true) {
    const { ok: _, ...answer } = value;
    return answer as Answer;
  }
  const error = value['error'];
  if (!isRecord(error) || !isErrorCode(error['code'])) return undefined;
  return new LlmosError(error['code'], String(error['message']));
}

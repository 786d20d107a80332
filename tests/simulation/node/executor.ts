/**
 * The model's run in a simulated process, behind the process's own port: works for a while, makes
 * tokens that are the same in every attempt, and ends as the task's script says.
 */
import type { CancelTimer } from '@llmos/base';
import { NO_COST, encodeJson, errorBody, hashText } from '@llmos/base';
import type { Attempt, HandlerAnswer } from '@llmos/process';
import type { Program } from '../program';
import type { PublishedTask } from '../workload';
import { nameOf, type World } from '../world';

export interface ExecutorParts {
  readonly world: World;
  readonly program: Program;
  /** A poisonous task ends the whole process. */
  readonly die: () => void;
}

/** The token at one place of a task's generation. */
export function tokenOf(name: string, index: number): number {
  return hashText(`${name} ${index}`) % 50_000;
}

export function tokensOf(task: PublishedTask): number[] {
  const name = nameOf(task);
  return Array.from({ length: task.tokenCount }, (_, index) => tokenOf(name, index));
}

/** What a task that succeeds has as its result, whichever attempt made it. */
export function resultOf(task: PublishedTask): Uint8Array {
  return encodeJson({
    ok: true,
    output: { task: nameOf(task), text: task.text, tokens: tokensOf(task) },
  });
}

export function executeWith(parts: ExecutorParts): (attempt: Attempt) => Promise<HandlerAnswer> {
  return (attempt) =>
    new Promise((resolve, reject) => {
      const task = parts.world.bySequence(attempt.spec.sequence);
      if (task === undefined) reject(new Error('no such task was published'));
      else new Execution(parts, task, { attempt, resolve }).begin();
    });
}

class Execution {
  private readonly tokens: number[];
  private cancelTimer: CancelTimer = () => undefined;
  private hasEnded = false;

  constructor(
    private readonly parts: ExecutorParts,
    private readonly task: PublishedTask,
    private readonly of: {
      readonly attempt: Attempt;
      readonly resolve: (answer: HandlerAnswer) => void;
    },
  ) {
    this.tokens = [...of.attempt.resumeTokens];
  }

  begin(): void {
    const { signal, preemption } = this.of.attempt;
    this.checkResumed();
    if (signal.aborted) return this.stop();
    signal.addEventListener('abort', () => this.stop(), { once: true });
    preemption.addEventListener('abort', () => this.giveBack(), { once: true });
    if (preemption.aborted) this.giveBack();
    else this.goOn();
  }

  /** The next token, or the whole of it; a step is a moment even for a task that takes none. */
  private goOn(): void {
    const { tokenCount, workMs } = this.task;
    const stepMs = tokenCount === 0 ? workMs : workMs / tokenCount;
    this.cancelTimer = this.parts.program.after(stepMs, () => this.step());
  }

  private step(): void {
    const { task, tokens } = this;
    if (task.script.kind === 'poison') return this.parts.die();
    if (tokens.length < task.tokenCount) this.makeToken();
    if (tokens.length < task.tokenCount) this.goOn();
    else this.conclude();
  }

  private makeToken(): void {
    const { attempt } = this.of;
    const index = this.tokens.length;
    const token = tokenOf(nameOf(this.task), index);
    this.tokens.push(token);
    const isLast = this.tokens.length === this.task.tokenCount;
    attempt.tellCost({ ...NO_COST, deviceMs: this.tokens.length });
    attempt.emitChunk({
      index,
      text: textOf(token),
      tokens: [token],
      ...(isLast ? { finishReason: 'stop' as const } : {}),
    });
  }

  private conclude(): void {
    const { attempt } = this.of;
    const { script } = this.task;
    if (script.kind === 'fails-finally') {
      this.end({ kind: 'failed', error: errorBody('INVALID_ARGUMENT', 'the input is wrong') });
    } else if (script.kind === 'fails-at-first' && attempt.spec.attempt <= script.failures) {
      this.end({ kind: 'failed', error: errorBody('UNAVAILABLE', 'not this time') });
    } else if (script.kind === 'too-big') {
      this.end({ kind: 'answered', result: new Uint8Array(2 * attempt.maxResultBytes) });
    } else {
      this.end({ kind: 'answered', result: resultOf(this.task) });
    }
  }

  /** It ends at its next step, which may be long after, and what it answers then is not heeded. */
  private stop(): void {
    const { world, program } = this.parts;
    const { signal, spec } = this.of.attempt;
    const isByOrder = signal.reason === 'ABORTED' || signal.reason === 'CANCELLED';
    if (isByOrder && !world.wasStopped(spec)) {
      world.report(`${nameOf(this.task)} was stopped (${String(signal.reason)}) by no leader`);
    }
    this.cancelTimer();
    this.cancelTimer = program.after(world.random.next() * 200, () =>
      this.end({ kind: 'answered', result: resultOf(this.task) }),
    );
  }

  /** At the next token; what ends before that has ended. */
  private giveBack(): void {
    const { world, program } = this.parts;
    if (this.of.attempt.spec.function !== 'generate') {
      world.report(`${nameOf(this.task)}, which is no generation, is asked back`);
    }
    program.after(world.random.next() * 60, () => {
      if (this.hasEnded || this.of.attempt.signal.aborted) return;
      world.preemptions += 1;
      const tokens = [...this.tokens];
      this.end({ kind: 'preempted', state: { tokens, text: tokens.map(textOf).join('') } });
    });
  }

  private end(answer: HandlerAnswer): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.cancelTimer();
    this.of.resolve(answer);
  }

  private checkResumed(): void {
    const name = nameOf(this.task);
    const isRight = this.tokens.every((token, index) => token === tokenOf(name, index));
    if (!isRight || this.tokens.length > this.task.tokenCount) {
      this.parts.world.report(`${name} is resumed after tokens that it never made`);
    }
  }
}

export function textOf(token: number): string {
  return `w${token} `;
}

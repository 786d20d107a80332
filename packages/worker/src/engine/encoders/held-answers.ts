/**
 * Answers of one step that wait for those of the next runs, for as many tokens as are allowed.
 * What is left goes out with `flush`.
 */
import type { EngineAnswer, EngineCalls } from '../engine';

export class HeldAnswers {
  private held: { readonly requestId: number; readonly answer: EngineAnswer }[] = [];
  private tokens = 0;

  constructor(
    private readonly calls: EngineCalls,
    private readonly maxTokens: number,
  ) {}

  answer(requestId: number, answer: EngineAnswer): void {
    if (this.held.length === 0) this.tokens = 0;
    this.held.push({ requestId, answer });
  }

  isCancelled(requestId: number): boolean {
    return this.calls.isCancelled(requestId);
  }

  /** Nobody's answer waits for more urgent work of others. */
  giveWay(): Promise<void> {
    return this.calls.giveWay(() => this.flush());
  }

  /** @param tokens of the model run that just ended. */
  ran(tokens: number): void {
    this.tokens += tokens;
    if (this.tokens >= this.maxTokens) this.flush();
  }

  flush(): void {
    const { held } = this;
    this.held = [];
    for (const { requestId, answer } of held) this.calls.answer(requestId, answer);
  }
}

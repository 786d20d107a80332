/**
 * How fast the tokens of one sequence came, from its first to its last one: what a reader sees of a
 * generation that runs. Its wait and its prompt are before the first token. A row that it lost in
 * between counts, for the reader waited; a time that it spent with nobody, given back, does not:
 * the attempt that goes on has a pace of its own.
 */
export class TokenPace {
  private firstAtMs = 0;
  private lastAtMs = 0;
  /** Tokens after the first. */
  private laterTokens = 0;
  private hasBegun = false;

  add(tokenCount: number, nowMs: number): void {
    if (tokenCount === 0) return;
    if (!this.hasBegun) this.firstAtMs = nowMs;
    this.laterTokens += this.hasBegun ? tokenCount : tokenCount - 1;
    this.hasBegun = true;
    this.lastAtMs = nowMs;
  }

  /** Mean time of a token after the first; undefined where there is none. */
  get tokenMs(): number | undefined {
    if (this.laterTokens === 0) return undefined;
    return (this.lastAtMs - this.firstAtMs) / this.laterTokens;
  }
}

/**
 * Adding models and removing packages take turns: many are added at once, while nothing is removed.
 * So what was found stored when a model is added is still there when its row is written.
 */
export class PackageTurns {
  private readonly adding = new Set<Promise<unknown>>();
  private removal: Promise<void> | undefined;

  /** Begins when no removal runs or waits. */
  async add<T>(act: () => Promise<T>): Promise<T> {
    while (this.removal !== undefined) await this.removal;
    const running = act();
    this.adding.add(running);
    try {
      return await running;
    } finally {
      this.adding.delete(running);
    }
  }

  /** Begins when all additions have ended that began before; one at a time. */
  async remove(act: () => Promise<void>): Promise<void> {
    while (this.removal !== undefined) await this.removal;
    let end: () => void = () => undefined;
    this.removal = new Promise((resolve) => (end = resolve));
    try {
      await Promise.allSettled(this.adding);
      await act();
    } finally {
      this.removal = undefined;
      end();
    }
  }
}

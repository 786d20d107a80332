import type { Logger } from '@llmos/base';

/** Runs what was pushed, last first; goes on when one fails. */
export class Closers {
  private readonly steps: { readonly name: string; readonly close: () => Promise<unknown> }[] = [];
  private closing: Promise<void> | undefined;

  constructor(private readonly log: Logger) {}

  push(name: string, close: () => Promise<unknown>): void {
    this.steps.push({ name, close });
  }

  closeAll(): Promise<void> {
    this.closing ??= this.run();
    return this.closing;
  }

  private async run(): Promise<void> {
    for (const { name, close } of this.steps.reverse()) {
      try {
        await close();
      } catch (error) {
        this.log.warn('close-failed', { part: name, error });
      }
    }
  }
}

/**
 * Keeps one program running: starts it, starts it again with a backoff when it dies, and stops it.
 *
 * The only writer of a program's state. A failure of the first start is the caller's; later ones
 * are reported and tried again for as long as the system is up.
 */
import { backoffMs } from '@llmos/base';
import { LOCAL_LIMITS, RESTART_BACKOFF } from '../../limits';
import type { ReportNotice } from '../../programs/system-notice';
import type { ProgramRun, ProgramSpec } from './program-run';
import { runProgram } from './program-run';

export class SupervisedProgram<Ready> {
  #run: ProgramRun<Ready> | undefined;
  #last: Ready | undefined;
  #failures = 0;
  #isStopping = false;
  /** Why the run that is being ended is ended, where that is on purpose. */
  #renewal: string | undefined;
  #wake: () => void = () => undefined;
  #supervision: Promise<void> = Promise.resolve();

  constructor(
    private readonly spec: ProgramSpec<Ready>,
    private readonly report: ReportNotice,
    private readonly onReady: (ready: Ready) => void = () => undefined,
  ) {}

  get name(): string {
    return this.spec.name;
  }

  /** 0 while it does not run. */
  get osPid(): number {
    return this.#run?.osPid ?? 0;
  }

  /** Rejects where the program does not come up; it is stopped then. */
  async start(): Promise<Ready> {
    const run = runProgram(this.spec, undefined);
    this.#run = run;
    try {
      this.#last = await run.ready;
    } catch (error) {
      await run.stop();
      throw error;
    }
    this.report({ kind: 'program-started', name: this.name, osPid: run.osPid });
    this.onReady(this.#last);
    this.#supervision = this.#supervise(run);
    return this.#last;
  }

  /** Lost while it does not run. */
  send(message: object): void {
    this.#run?.send(message);
  }

  /** Ends the run, by force where it hangs, and starts the next at once. */
  async renew(reason: string): Promise<void> {
    if (this.#isStopping || this.#run === undefined) return;
    this.#renewal = reason;
    this.#wake();
    await this.#run.stop();
  }

  /** May be called twice. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#wake();
    const wasKilled = (await this.#run?.stop()) ?? false;
    if (wasKilled) this.report({ kind: 'program-killed', name: this.name });
    await this.#supervision;
  }

  async #supervise(first: ProgramRun<Ready>): Promise<void> {
    let run = first;
    let readyAtMs = performance.now();
    for (;;) {
      const outcome = await run.exited;
      if (this.#isStopping) return;
      if (this.#renewal === undefined) {
        const wasSteady = performance.now() - readyAtMs > LOCAL_LIMITS.steadyMs;
        this.#failures = wasSteady ? 1 : this.#failures + 1;
        const restartMs = backoffMs(RESTART_BACKOFF, this.#failures);
        this.report({ kind: 'program-died', name: this.name, outcome, restartMs });
        await this.#pause(restartMs);
      }
      const reason = this.#renewal;
      this.#renewal = undefined;
      // What the dead program started (a NATS server, process hosts) had this long to end.
      run.sweep();
      if (this.#isStopping) return;

      run = runProgram(this.spec, this.#last);
      this.#run = run;
      const ready = await run.ready.catch(() => undefined);
      readyAtMs = performance.now();
      if (ready === undefined) {
        // The port it had may be taken now: the next run chooses freely.
        this.#last = undefined;
        await run.stop();
        continue;
      }
      this.#last = ready;
      if (reason === undefined) {
        this.report({ kind: 'program-restarted', name: this.name, osPid: run.osPid });
      } else {
        this.report({ kind: 'program-renewed', name: this.name, reason });
      }
      this.onReady(ready);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

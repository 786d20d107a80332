/** A runner that knows how much time its runs took. */
import type { ModelRunner, RunRequest, RunnerTensor, TensorSpec } from '../../ports/model-runner';

export class TimedRunner implements ModelRunner {
  runMs = 0;

  constructor(
    private readonly runner: ModelRunner,
    private readonly nowMs: () => number,
  ) {}

  get provider(): string {
    return this.runner.provider;
  }

  get inputs(): readonly TensorSpec[] {
    return this.runner.inputs;
  }

  get outputs(): readonly TensorSpec[] {
    return this.runner.outputs;
  }

  async run(request: RunRequest): Promise<ReadonlyMap<string, RunnerTensor>> {
    const startedMs = this.nowMs();
    try {
      return await this.runner.run(request);
    } finally {
      this.runMs += this.nowMs() - startedMs;
    }
  }

  close(): Promise<void> {
    return this.runner.close();
  }
}

import type { TaskStatus } from '@llmos/base';
import { asToken } from '@llmos/base';
import type { TaskKey, TenantId } from '@llmos/base';
import { CoreFixture, refOf } from '../core-fixture';
import type { KernelDecision } from '../kernel-decision';
import { CORE_LIMITS } from '../limits';
import type { TaskSpec } from '../tasks/task-spec';

type Waiting = Exclude<TaskStatus, { state: 'unknown' }>;

const { leastServices, maxEstimateMs, serviceMemoryMs } = CORE_LIMITS;

type Execute = Extract<KernelDecision, { kind: 'execute' }>;

class Line extends CoreFixture {
  /** A process with so many permits, and as many tasks in it. */
  static busy(permits: number): Line {
    const line = new Line({}, 1);
    line.attachNode().knowModels();
    line.push(permits);
    line.startAll(permits);
    return line;
  }

  push(count: number, more: Partial<TaskSpec> = {}): TaskSpec[] {
    const specs = Array.from({ length: count }, () => this.task(more));
    this.store(...specs);
    return specs;
  }

  estimate(spec: TaskSpec): number | undefined {
    return (this.core.statusOf(spec.tenant, spec.id) as Waiting).estimateMs;
  }

  /** The oldest attempts end, each after so long. */
  serve(count: number, eachMs: number): this {
    for (let done = 0; done < count; done += 1) {
      this.pass(eachMs);
      const first = this.attempts.shift();
      if (first === undefined) throw new Error('nothing runs');
      this.finish(first);
    }
    return this;
  }

  /** What runs is accepted, and its process says so every few seconds. */
  pass(ms: number): this {
    for (let leftMs = ms; leftMs >= 0; leftMs -= 2_000) {
      for (const execute of this.take('execute')) {
        this.attempts.push(execute);
        this.accept(execute);
      }
      const [first] = this.attempts;
      if (first !== undefined) this.beat(first.to, ...this.attempts.map(refOf));
      this.advance(Math.min(leftMs, 2_000));
    }
    return this;
  }

  nowhere(): never {
    throw new Error('nothing runs');
  }

  /** Oldest first. */
  private readonly attempts: Execute[] = [];
}

describe('the estimate of a turn', () => {
  it('is unknown until enough attempts were measured while others waited', () => {
    const line = Line.busy(1);
    const specs = line.push(10);
    const last = specs[9] as TaskSpec;
    for (let count = 0; count < leastServices; count += 1) {
      expect(line.estimate(last)).toBeUndefined();
      line.serve(1, 1_000);
    }
    // One runs, six are before it: its place is the seventh.
    expect(line.core.statusOf(last.tenant, last.id)).toMatchObject({
      position: 7,
      waitsFor: 'turn',
    });
    expect(line.estimate(last)).toBe(7_000);
    expect(line.estimate(specs[3] as TaskSpec)).toBe(1_000);
  });

  it('comes true where attempts go on as they did', () => {
    const line = Line.busy(1);
    const specs = line.push(12);
    line.serve(5, 700);
    const last = specs[11] as TaskSpec;
    const estimateMs = line.estimate(last) ?? 0;
    const startMs = line.now().nowMs;
    while ((line.core.statusOf(last.tenant, last.id) as Waiting).state === 'queued') {
      line.serve(1, 700);
    }
    expect(line.now().nowMs - startMs).toBe(estimateMs);
  });

  it('is shared by the permits that run at once', () => {
    const line = Line.busy(2);
    const specs = line.push(8);
    // Each runs beside another: both end after 1 s.
    for (let round = 0; round < 3; round += 1) line.serve(1, 1_000).serve(1, 0);
    // Two places behind the two that run.
    expect(line.estimate(specs[7] as TaskSpec)).toBe(1_000);
  });

  it('does not take the first to end for the rest: those that run have a part in it', () => {
    const line = Line.busy(8);
    const specs = line.push(11);
    line.serve(1, 1_000).serve(2, 0);
    // Three of seven (one permit is kept for urgent ones) took 1 s; four have taken as long so far.
    const meanMs = 1_000 + ((1 - 3 / CORE_LIMITS.serviceWindow) * 4_000) / 3;
    expect(line.estimate(specs[10] as TaskSpec)).toBe(Math.ceil((9 * meanMs) / 7));
  });

  it('takes no notice of what ended while nobody waited', () => {
    const line = Line.busy(1);
    for (let count = 0; count < 9; count += 1) {
      line.serve(1, 5);
      line.push(1);
    }
    const [waits] = line.push(1);
    expect(line.estimate(waits as TaskSpec)).toBeUndefined();
  });

  it('grows while nothing moves, and is forgotten after a while', () => {
    const line = Line.busy(1);
    const specs = line.push(6);
    line.serve(4, 1_000);
    const last = specs[5] as TaskSpec;
    expect(line.estimate(last)).toBe(2_000);
    line.pass(30_000);
    expect(line.estimate(last)).toBe(60_000);
    line.pass(serviceMemoryMs);
    expect(line.estimate(last)).toBeUndefined();
  });

  it('follows what attempts take now', () => {
    const line = Line.busy(1);
    const specs = line.push(300);
    line.serve(50, 1_000);
    const last = specs[299] as TaskSpec;
    expect(line.estimate(last)).toBe(250_000);
    line.serve(200, 10);
    expect(line.estimate(last) ?? Infinity).toBeLessThan(50 * 100);
  });

  it('says nothing beyond a day, and nothing of what runs or does not wait for its turn', () => {
    const line = Line.busy(1);
    const specs = line.push(200);
    line.serve(leastServices, serviceMemoryMs - 1);
    expect(line.estimate(specs[199] as TaskSpec)).toBeUndefined();
    expect(line.estimate(specs[4] as TaskSpec)).toBeLessThanOrEqual(maxEstimateMs);
    const [keyed] = line.push(2, { key: asToken<TaskKey>('k'), tenant: asToken<TenantId>('acme') });
    const running = specs[leastServices - 1] as TaskSpec;
    expect(line.core.statusOf(running.tenant, running.id)).toMatchObject({ state: 'running' });
    expect(line.estimate(running)).toBeUndefined();
    expect(line.estimate(keyed as TaskSpec)).toBeUndefined();
  });

  it('is gone with the process, and unknown to the next leader', () => {
    const line = Line.busy(1);
    const specs = line.push(6);
    line.serve(4, 1_000);
    const last = specs[5] as TaskSpec;
    expect(line.estimate(last)).toBe(2_000);
    line.crash(line.take('execute')[0]?.to ?? line.nowhere());
    expect(line.core.statusOf(last.tenant, last.id)).toMatchObject({ waitsFor: 'process' });
    expect(line.estimate(last)).toBeUndefined();
    const next = Line.busy(1);
    const [waits] = next.push(1);
    expect(next.estimate(waits as TaskSpec)).toBeUndefined();
  });
});

/** Whoever decides about an order asks the policy: with another one, the core goes by that. */
import type { AttemptCost, FunctionName, Target, TaskClass, TenantId } from '@llmos/base';
import { NO_COST, asToken } from '@llmos/base';
import { CoreFixture, modelOf, refOf } from '../core-fixture';
import type { Task } from '../tasks/task';
import type { TaskSpec } from '../tasks/task-spec';
import { PriorityPolicy } from './priority-policy';
import type { Ahead, Place, PolicyLine, QueuePolicy, RequestLine, Standing } from './queue-policy';

interface CostStanding extends Standing {
  readonly deviceMs: number;
}

/** Whose tenant has cost least goes first, then the oldest; every line is looked through. */
class LeastCost implements QueuePolicy {
  readonly classes: readonly TaskClass[] = ['batch', 'standard', 'interactive'];
  private readonly costs = new Map<TenantId, number>();
  private readonly lines: ListLine[] = [];

  standing({ spec }: Task): CostStanding {
    return { ...spec, deviceMs: this.costs.get(spec.tenant) ?? 0 };
  }

  isBefore(a: CostStanding, b: CostStanding): boolean {
    return a.deviceMs === b.deviceMs ? a.sequence < b.sequence : a.deviceMs < b.deviceMs;
  }

  mayPreempt(): boolean {
    return false;
  }

  createLine(target: Target): ListLine {
    const line = new ListLine(this, target);
    this.lines.push(line);
    return line;
  }

  createRequestLine(): RequestLine {
    return new PriorityPolicy().createRequestLine();
  }

  ahead(): Ahead | undefined {
    return undefined;
  }

  charge({ spec: { tenant } }: Task, more: AttemptCost): readonly Target[] {
    this.costs.set(tenant, (this.costs.get(tenant) ?? 0) + more.deviceMs);
    return this.lines.filter((line) => line.has(tenant)).map(({ target }) => target);
  }
}

class ListLine implements PolicyLine {
  private readonly list: Place[] = [];

  constructor(
    private readonly policy: LeastCost,
    readonly target: Target,
  ) {}

  has(tenant: TenantId): boolean {
    return this.list.some(({ task }) => task.spec.tenant === tenant);
  }

  add(task: Task): Place {
    const place = { task, line: this };
    this.list.push(place);
    return place;
  }

  remove(place: Place): void {
    this.list.splice(this.list.indexOf(place), 1);
  }

  serve(): void {
    // What it costs is charged later.
  }

  head(except?: TenantId): Task | undefined {
    const { policy } = this;
    return this.list
      .map(({ task }) => task)
      .filter(({ spec }) => spec.tenant !== except)
      .sort((a, b) => (policy.isBefore(policy.standing(a), policy.standing(b)) ? -1 : 1))[0];
  }

  countAbove(): number {
    return 0;
  }

  places(): readonly Place[] {
    return [...this.list];
  }
}

const of = (tenant: string, more: Partial<TaskSpec> = {}): Partial<TaskSpec> => ({
  tenant: asToken<TenantId>(tenant),
  ...more,
});
const embed = (name: string) => ({ function: 'embed' as FunctionName, model: { name } });

/** One task of the tenant runs, and has cost a second. */
function afterASecond(core: CoreFixture, tenant: string): void {
  core.store(core.task(of(tenant)));
  core.startAll(1);
  const execute = core.only('execute');
  core.accept(execute);
  core.advance(2_000);
  const cost = { ...NO_COST, deviceMs: 1_000 };
  const origin = execute.to;
  core.apply({ kind: 'process-heartbeat', origin, running: [{ ...refOf(execute), cost }] });
  core.finish(execute);
}

it('gives a permit to whose tenant has cost least, whatever the class', () => {
  const core = new CoreFixture({}, 1, 0, new LeastCost()).knowModels().attachNode();
  afterASecond(core, 'a');
  core.store(core.task(of('b')));
  const last = core.only('execute');
  core.store(core.task(of('a', { class: 'interactive' })), core.task(of('c', { class: 'batch' })));
  core.finish(last);
  expect(core.only('execute').spec.tenant).toBe('c');
});

it('gives memory to whom a charge has made the next one while both waited', () => {
  const core = new CoreFixture({}, 1, 0, new LeastCost());
  core.knowModels(modelOf('first', { mib: 200 }), modelOf('second', { mib: 200 }));
  core.attachNode('node', 300);
  // A program fills what is left of the node as long as it runs.
  core.store(core.task(of('a')));
  core.startAll(1);
  const execute = core.only('execute');
  core.accept(execute);
  const { pid, incarnation, nodeId } = execute.to;
  const memory = [{ pid, incarnation, residentBytes: 270 * 1024 * 1024 }];
  core.apply({ kind: 'node-heartbeat', nodeId, freeMemoryBytes: 1, memory });
  core.store(core.task(of('a', embed('first'))), core.task(of('b', embed('second'))));
  core.advance(2_000);
  const cost = { ...NO_COST, deviceMs: 1_000 };
  const running = [{ ...refOf(execute), cost }];
  core.apply({ kind: 'process-heartbeat', origin: execute.to, running });
  core.finish(execute);
  expect(core.take('start-process')).toEqual([]);
  const { to } = core.only('stop-process');
  core.report(to, { kind: 'exited', reason: 'stopped', message: '', isRetryable: true });
  expect(core.only('start-process').target).toBe('second@1');
});

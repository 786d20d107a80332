import type { CallerId, TenantCaller, TenantId } from '@llmos/base';
import { asToken, silentLogger } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import type { CallerNews } from '../ports/caller-link';
import type { Task } from '../tasks/task';
import { CallerWatch } from './caller-watch';

const { callerUnheardLooks, callerSilentLooks, callerGraceLooks, callerMarkLooks } = EDGE_LIMITS;

/** How a client, or the server in its place, answers a question. */
type Manner = 'answers' | 'listens' | 'is-dead' | 'hangs';

class World {
  readonly gone: string[] = [];
  readonly asked: string[] = [];
  isServerThere = true;
  private readonly bound = new Map<TenantId, Map<CallerId, Set<Task>>>();
  private readonly manners = new Map<string, Manner>();
  private news: CallerNews | undefined;
  private readonly watch = new CallerWatch({
    link: {
      begin: (news) => (this.news = news),
      ask: (of) => this.ask(of),
      mark: (mark) => void (this.isServerThere && this.news?.onMark(mark)),
      end: () => (this.news = undefined),
    },
    bound: () => this.bound,
    onGone: ({ tenant, caller }) => void this.gone.push(`${tenant}/${caller}`),
    log: silentLogger,
  });

  constructor() {
    this.watch.start();
  }

  bind(name: string, manner: Manner): this {
    const { tenant, caller } = split(name);
    const callers = this.bound.get(tenant) ?? new Map<CallerId, Set<Task>>();
    this.bound.set(tenant, callers.set(caller, new Set()));
    this.manners.set(name, manner);
    return this;
  }

  release(name: string): this {
    const { tenant, caller } = split(name);
    this.bound.get(tenant)?.delete(caller);
    if (this.bound.get(tenant)?.size === 0) this.bound.delete(tenant);
    return this;
  }

  look(times = 1): this {
    for (let time = 0; time < times; time += 1) this.watch.look();
    return this;
  }

  reconnect(): void {
    this.news?.onReconnect();
  }

  private ask(of: TenantCaller): void {
    const name = `${of.tenant}/${of.caller}`;
    this.asked.push(name);
    if (!this.isServerThere) return;
    const manner = this.manners.get(name);
    if (manner === 'answers') this.news?.onAlive(of);
    if (manner === 'is-dead') this.news?.onUnheard(of);
  }
}

function split(name: string): TenantCaller {
  const [tenant, caller] = name.split('/');
  return { tenant: asToken<TenantId>(tenant), caller: asToken<CallerId>(caller) };
}

it('tells of a caller that nobody listens for, after some looks', () => {
  const world = new World().bind('a/dead', 'is-dead').bind('a/alive', 'answers');
  world.look(callerUnheardLooks - 1);
  expect(world.gone).toEqual([]);
  world.look();
  expect(world.gone).toEqual(['a/dead']);
});

it('one that is back in between is not gone', () => {
  const world = new World().bind('a/me', 'is-dead').look(callerUnheardLooks - 1);
  world.bind('a/me', 'answers').look();
  world.bind('a/me', 'is-dead').look(callerUnheardLooks - 1);
  expect(world.gone).toEqual([]);
});

it('one that has answered and does so no more is gone after more looks', () => {
  const world = new World().bind('a/me', 'answers').look(2);
  world.bind('a/me', 'hangs').look(callerSilentLooks);
  expect(world.gone).toEqual([]);
  world.look(2);
  expect(world.gone).toEqual(['a/me']);
});

it('one that listens and never answers is there', () => {
  const world = new World().bind('a/me', 'listens').look(3 * callerSilentLooks);
  expect(world.gone).toEqual([]);
});

it('asks nobody again before the server has handed on what was asked, and blames nobody then', () => {
  const world = new World().bind('a/me', 'answers').look(2);
  world.isServerThere = false;
  world.look(2 * callerSilentLooks + 2 * callerMarkLooks);
  expect(world.gone).toEqual([]);
  expect(world.asked.length).toBeLessThan(callerSilentLooks);
});

it('after it was cut off itself, others have time to come back', () => {
  const world = new World().bind('a/me', 'is-dead');
  world.reconnect();
  world.look(callerGraceLooks + callerUnheardLooks - 2);
  expect(world.gone).toEqual([]);
  world.look();
  expect(world.gone).toEqual(['a/me']);
});

it('asks each caller once a look, and none that nothing is bound to', () => {
  const world = new World().bind('a/me', 'answers').look();
  world.release('a/me').look(2);
  expect(world.asked).toEqual(['a/me']);
});

it('where there are more than it may ask, all have their turn', () => {
  const world = new World();
  const most = EDGE_LIMITS.maxAskedPerTenant;
  for (let number = 0; number < 2 * most + 2; number += 1) world.bind(`a/c${number}`, 'answers');
  world.bind('b/me', 'answers').look();
  expect(world.asked).toHaveLength(most + 1);
  expect(world.asked).toContain('b/me');
  world.look(2);
  expect(new Set(world.asked).size).toBe(2 * most + 3);
});

it('where there are more tenants than it may ask for, all have their turn', () => {
  const world = new World();
  const most = EDGE_LIMITS.maxAskedCallers;
  for (let number = 0; number < most + 10; number += 1) world.bind(`t${number}/me`, 'answers');
  world.look();
  expect(world.asked).toHaveLength(most);
  world.look();
  expect(new Set(world.asked).size).toBe(most + 10);
});

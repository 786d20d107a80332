/**
 * Finds out which callers are gone, by asking those that tasks are bound to, once a look.
 *
 * Two signs: the server says that nobody listens on the caller's subject (certain, and at once
 * where a program was killed), or a caller that has answered before answers no more (a machine or
 * a network that is gone). Both count in looks, never in time: a kernel that stood still has
 * looked at nobody meanwhile. A look counts only once the server has handed on everything that was
 * asked in it, and not soon after this kernel was cut off itself: others come back no faster.
 *
 * One question for each caller however many tasks are bound to it, and a bounded number of them
 * in a look, tenants and callers in turn: where there are more, each is looked at less often.
 */
import type { CallerId, Logger, TenantCaller, TenantId } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import type { CallerLink } from '../ports/caller-link';
import type { BoundTasks } from '../tasks/caller-table';

export interface CallerWatchOptions {
  readonly link: CallerLink;
  readonly bound: () => BoundTasks;
  /** Called again some looks later while something is still bound to it. */
  readonly onGone: (of: TenantCaller) => void;
  readonly log: Logger;
}

/** What is remembered of a caller while something is bound to it. */
interface Signs {
  readonly of: TenantCaller;
  /** Whether it has ever answered: only then does its silence say something. */
  hasAnswered: boolean;
  /** Since it was asked last. */
  isHeard: boolean;
  isUnheard: boolean;
  /** Looks in a row in which nobody listened, or no answer came. */
  unheard: number;
  silent: number;
}

export class CallerWatch {
  private readonly signs = new Map<string, Signs>();
  /** Those asked in the look that is under way. */
  private asked: Signs[] = [];
  private mark = 0;
  private isMarked = true;
  /** Looks that have waited for the mark. */
  private waited = 0;
  /** Looks left in which nobody is judged. */
  private graceLooks = 0;
  /** Where the turn of each tenant's callers stands. */
  private readonly turns = new Map<TenantId, IterableIterator<CallerId>>();
  private tenants: IterableIterator<TenantId> | undefined;

  constructor(private readonly options: CallerWatchOptions) {}

  start(): void {
    this.options.link.begin({
      onAlive: (of) => this.hear(of, true),
      onUnheard: (of) => this.hear(of, false),
      onMark: (mark) => this.onMark(mark),
      onReconnect: () => this.forgive(),
    });
  }

  end(): void {
    this.options.link.end();
  }

  /** Call it every `callerLookMs`. */
  look(): void {
    if (!this.isMarked && this.waited < EDGE_LIMITS.callerMarkLooks) {
      this.waited += 1;
      return;
    }
    // The server was away, or what was asked is lost.
    if (!this.isMarked) this.forgive();
    this.waited = 0;
    this.judgeSilence();
    this.forget();
    this.ask();
  }

  private hear(of: TenantCaller, isAlive: boolean): void {
    const signs = this.signs.get(nameOf(of));
    if (signs === undefined) return;
    if (isAlive) signs.hasAnswered = signs.isHeard = true;
    else signs.isUnheard = true;
  }

  private forgive(): void {
    this.graceLooks = EDGE_LIMITS.callerGraceLooks;
  }

  /** The server has handed on the questions of this look, and said where nobody listened. */
  private onMark(mark: number): void {
    if (this.isMarked || mark !== this.mark) return;
    this.isMarked = true;
    const isGrace = this.graceLooks > 0;
    for (const signs of this.asked) {
      signs.unheard = signs.isUnheard && !signs.isHeard && !isGrace ? signs.unheard + 1 : 0;
      if (signs.unheard >= EDGE_LIMITS.callerUnheardLooks) this.lose(signs, 'unheard');
    }
  }

  /** Answers had until now to come. */
  private judgeSilence(): void {
    const isGrace = this.graceLooks > 0;
    if (isGrace) this.graceLooks -= 1;
    for (const signs of this.asked) {
      signs.silent = signs.isHeard || isGrace ? 0 : signs.silent + 1;
      const isSilent = signs.hasAnswered && signs.silent >= EDGE_LIMITS.callerSilentLooks;
      if (isSilent) this.lose(signs, 'silent');
    }
    this.asked = [];
  }

  private lose(signs: Signs, how: 'unheard' | 'silent'): void {
    signs.unheard = signs.silent = 0;
    this.options.log.info('caller-gone', { ...signs.of, how });
    this.options.onGone(signs.of);
  }

  /** Those that nothing is bound to any more. */
  private forget(): void {
    const bound = this.options.bound();
    for (const [name, { of }] of this.signs) {
      if (bound.get(of.tenant)?.has(of.caller) !== true) this.signs.delete(name);
    }
    for (const tenant of this.turns.keys()) {
      if (!bound.has(tenant)) this.turns.delete(tenant);
    }
  }

  private ask(): void {
    const bound = this.options.bound();
    let left: number = EDGE_LIMITS.maxAskedCallers;
    for (let tenants = bound.size; tenants > 0 && left > 0; tenants -= 1) {
      const tenant = this.nextTenant(bound);
      if (tenant === undefined) break;
      const most = Math.min(left, EDGE_LIMITS.maxAskedPerTenant);
      for (const caller of this.callersInTurn(bound, tenant, most)) {
        left -= 1;
        this.askOne({ tenant, caller });
      }
    }
    // Also where a mark was lost: nothing waits for it any more.
    this.isMarked = this.asked.length === 0;
    if (this.isMarked) return;
    this.mark += 1;
    this.options.link.mark(this.mark);
  }

  private askOne(of: TenantCaller): void {
    const name = nameOf(of);
    let signs = this.signs.get(name);
    if (signs === undefined) {
      const none = { isHeard: false, isUnheard: false, unheard: 0, silent: 0 };
      this.signs.set(name, (signs = { of, hasAnswered: false, ...none }));
    }
    signs.isHeard = signs.isUnheard = false;
    this.asked.push(signs);
    this.options.link.ask(of);
  }

  private nextTenant(bound: BoundTasks): TenantId | undefined {
    let next = this.tenants?.next();
    if (next === undefined || next.done === true) next = (this.tenants = bound.keys()).next();
    return next.done === true ? undefined : next.value;
  }

  private callersInTurn(bound: BoundTasks, tenant: TenantId, most: number): readonly CallerId[] {
    const callers = bound.get(tenant);
    if (callers === undefined) return [];
    if (callers.size <= most) return [...callers.keys()];
    const turn: CallerId[] = [];
    while (turn.length < most) {
      const next = this.turns.get(tenant)?.next();
      if (next === undefined || next.done === true) this.turns.set(tenant, callers.keys());
      else turn.push(next.value);
    }
    return turn;
  }
}

function nameOf({ tenant, caller }: TenantCaller): string {
  return `${tenant}/${caller}`;
}

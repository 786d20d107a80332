/**
 * Targets that are short of a process, and what each of them waits for: so that an event costs what
 * it changes, not what there is. Provisioning judges a target only when something has changed that
 * its last judgement follows from; here is decided who that is.
 *
 * The tables tell what has changed (`note…`), provisioning takes it in and judges. What it finds:
 * - *room*: no device has enough now. Where one will (`claim`), after what leaves or is evicted, it
 *   is promised: nobody less urgent gets any of it. A device with other room than before, or
 *   another promise, is offered to the most urgent one that gains by it.
 * - *row*: the table of processes is full. A row that comes free goes to the most urgent one.
 * - *nodes*: no node may take it. It is judged again when a node has changed.
 * With every one of them: when a fault of it ends, and when its own facts change.
 *
 * Between ticks this holds (K15): who waits for room has a claim, or every device that has enough
 * for it is promised to someone more urgent; and nobody waits whom some device would take now, but
 * for such a promise.
 */
import type { Target } from '@llmos/base';
import type { KernelState } from '../kernel-state';
import type { Process } from '../processes/process';
import type { Task } from '../tasks/task';
import { Alarms } from './alarms';
import { DeviceRooms, type DeviceRoom } from './device-rooms';
import { IndexedHeap, type HeapEntry } from './indexed-heap';
import type { QueuePolicy, Standing } from './queue-policy';
import { SizedLine } from './sized-line';

export interface Waiter extends HeapEntry {
  readonly target: Target;
  /** The most urgent task that waits for it; undefined where only spawn requests do. */
  readonly head: Task | undefined;
  /** Of that task, when it was last looked at. */
  readonly standing: Standing | undefined;
  readonly bytes: number;
  /** A program: it goes where programs do. */
  readonly isProgram: boolean;
  /** What some nodes can't take, because they failed it. */
  readonly hasFaults: boolean;
  readonly claim: DeviceRoom | undefined;
}

/** What a judgement found. */
export interface Judged extends Pick<Waiter, 'bytes' | 'isProgram' | 'hasFaults'> {
  readonly waitsFor:
    | { readonly kind: 'room'; readonly claim: DeviceRoom | undefined }
    | { readonly kind: 'row' }
    | { readonly kind: 'nodes' };
  /** When the first of its faults ends; infinite where it has none. */
  readonly wakeAtMs: number;
}

/** How a target has changed: what waits for it and runs of it alone, or what it is judged by. */
export type TargetChange = 'work' | 'facts';

type Row = { -readonly [Key in keyof Waiter]: Waiter[Key] };

export class DemandIndex {
  readonly rooms = new DeviceRooms();
  private readonly waiters = new Map<Target, Row>();
  private readonly changed = new Map<Target, TargetChange>();
  /** Devices that someone may gain by. */
  private readonly offered = new Set<DeviceRoom>();
  private readonly toJudge: IndexedHeap<Row>;
  // Each waiter is in one of these four, unless it is judged for the first time.
  private readonly claimless: SizedLine<Row>;
  private readonly claimers: SizedLine<Row>;
  private readonly rowless: SizedLine<Row>;
  private readonly nodeless = new Set<Row>();
  /** Of these, size alone does not say where they fit. */
  private readonly particular = new Set<Row>();
  private readonly alarms = new Alarms<Target>();
  /** Targets whose tasks end, as there is room for their results. */
  private readonly ending = new Set<Target>();
  private wasRecovering = false;

  constructor(private readonly policy: QueuePolicy) {
    const isBefore = (a: Row, b: Row): boolean => this.isBefore(a, b);
    this.toJudge = new IndexedHeap(isBefore);
    this.claimless = new SizedLine(isBefore);
    this.claimers = new SizedLine(isBefore);
    this.rowless = new SizedLine(isBefore);
  }

  // What the tables tell.

  noteTarget(target: Target, change: TargetChange): void {
    if (change === 'facts' || !this.changed.has(target)) this.changed.set(target, change);
  }

  /** More tasks behind the first of a target that has a process change nothing. */
  noteQueue(target: Target, size: number): void {
    if (size <= 1 || this.waiters.has(target)) this.noteTarget(target, 'work');
  }

  /** With more than one thing in it, it can neither be evicted nor end. */
  noteWork({ target, running, foreign }: Process): void {
    if (running.size + foreign.size <= 1) this.noteTarget(target, 'work');
  }

  // What provisioning asks for.

  get hasChanges(): boolean {
    const { changed, offered, toJudge, rooms } = this;
    return changed.size > 0 || offered.size > 0 || toJudge.size > 0 || rooms.hasChanges;
  }

  /** Whether tasks of targets are to be ended once there is room for their results. */
  get hasEnding(): boolean {
    return this.ending.size > 0;
  }

  /** When the first fault of anyone who waits ends; undefined where nobody has one. */
  nextMs(): number | undefined {
    return this.alarms.nextMs();
  }

  /** In no particular order. */
  all(): readonly Waiter[] {
    return [...this.waiters.values()];
  }

  get(target: Target): Waiter | undefined {
    return this.waiters.get(target);
  }

  isEnding(target: Target): boolean {
    return this.ending.has(target);
  }

  /** Its tasks go on ending after `resumeEnding`; until then it is not looked at. */
  end(target: Target): void {
    this.ending.add(target);
  }

  resumeEnding(): void {
    for (const target of this.ending) this.noteTarget(target, 'facts');
    this.ending.clear();
  }

  /** What time has changed. */
  wake(nowMs: number, isRecovering: boolean): void {
    for (const target of this.alarms.due(nowMs)) this.noteTarget(target, 'facts');
    // Until then a node may be on its way back.
    if (this.wasRecovering && !isRecovering) for (const row of this.nodeless) this.judge(row);
    this.wasRecovering = isRecovering;
  }

  takeTargetChanges(): readonly (readonly [Target, TargetChange])[] {
    const changes = [...this.changed];
    this.changed.clear();
    return changes;
  }

  takeRoomChanges(state: KernelState): void {
    const gone = this.rooms.takeNodeChanges(state);
    const changed = this.rooms.takeDeviceChanges(state);
    for (const room of changed) {
      this.offered.add(room);
      const { holder, view } = room;
      if (holder === undefined || holder.bytes <= view.freeBytes + view.leavingBytes) continue;
      this.judge(holder);
    }
    if (gone !== undefined) this.changeNodes(state, gone);
  }

  /** It is short of a process: anew, or still. */
  put(target: Target, head: Task | undefined, change: TargetChange): void {
    const known = this.waiters.get(target);
    const standing = head === undefined ? undefined : this.policy.standing(head);
    if (known === undefined) {
      const none = { bytes: 0, isProgram: false, hasFaults: false, claim: undefined };
      const made: Row = { target, head, standing, ...none, index: -1 };
      this.waiters.set(target, made);
      this.judge(made);
      return;
    }
    const isElsewhere = known.head !== head || known.standing !== standing;
    const isRaised = isElsewhere && this.reorder(known, { head, standing });
    if (isRaised || change === 'facts') this.judge(known);
  }

  /** It has what it needs. @returns false where it did not wait. */
  drop(target: Target): boolean {
    const row = this.waiters.get(target);
    if (row === undefined) return false;
    this.toJudge.remove(row);
    this.leave(row);
    this.release(row);
    this.alarms.clear(target);
    this.waiters.delete(target);
    return true;
  }

  /** The most urgent one that is to be judged now. It is judged, or starts, before the next call. */
  next(state: KernelState, hasFreeRow: boolean): Waiter | undefined {
    for (const room of this.offered) {
      const one = this.gainerOf(state, room);
      if (one === undefined) this.offered.delete(room);
      else this.judge(one);
    }
    const rowless = hasFreeRow ? this.rowless.first(Number.POSITIVE_INFINITY) : undefined;
    if (rowless !== undefined) this.judge(rowless);
    return this.toJudge.pop();
  }

  /** Whether its room waits for someone more urgent. */
  isPromised(room: DeviceRoom, waiter: Waiter): boolean {
    const { holder } = room;
    return holder !== undefined && holder !== waiter && this.isBefore(holder, waiter);
  }

  /** One of it is about to be started: it waits for nothing, until it is looked at again. */
  starts(waiter: Waiter): void {
    const row = this.rowOf(waiter);
    this.leave(row);
    this.release(row);
  }

  settle(waiter: Waiter, judged: Judged): void {
    const row = this.rowOf(waiter);
    const { waitsFor, wakeAtMs } = judged;
    this.leave(row);
    row.bytes = judged.bytes;
    row.isProgram = judged.isProgram;
    row.hasFaults = judged.hasFaults;
    if (Number.isFinite(wakeAtMs)) this.alarms.set(row.target, wakeAtMs);
    else this.alarms.clear(row.target);
    if (row.isProgram || row.hasFaults) this.particular.add(row);
    const claim = waitsFor.kind === 'room' ? waitsFor.claim : undefined;
    if (claim !== row.claim) this.release(row);
    if (claim !== undefined) this.claim(row, claim);
    if (waitsFor.kind === 'row') this.rowless.add(row);
    else if (waitsFor.kind === 'nodes') this.nodeless.add(row);
    else if (claim === undefined) this.claimless.add(row);
    else this.claimers.add(row);
  }

  private rowOf(waiter: Waiter): Row {
    return waiter;
  }

  private judge(row: Row | Waiter): void {
    if (row.index < 0) this.toJudge.push(row);
  }

  /** Those that tasks wait for first; what is kept for spawn requests by the ids. */
  private isBefore(a: Waiter, b: Waiter): boolean {
    const [one, other] = [a.standing, b.standing];
    if (one !== undefined && other !== undefined) return this.policy.isBefore(one, other);
    if (one !== undefined || other !== undefined) return one !== undefined;
    return a.target < b.target;
  }

  /** @returns whether it is more urgent than before. */
  private reorder(row: Row, to: Pick<Waiter, 'head' | 'standing'>): boolean {
    const before = { ...row };
    const isDue = row.index >= 0;
    const lines = [this.claimless, this.claimers, this.rowless].filter((line) => line.has(row));
    this.toJudge.remove(row);
    for (const line of lines) line.delete(row);
    row.head = to.head;
    row.standing = to.standing;
    for (const line of lines) line.add(row);
    if (isDue) this.toJudge.push(row);
    if (this.isBefore(row, before)) return true;
    // Others may come before it now.
    if (row.claim !== undefined) this.offered.add(row.claim);
    return false;
  }

  /** Who would get a process or a promise there if it were judged now. */
  private gainerOf(state: KernelState, room: DeviceRoom): Row | undefined {
    const isAllowed = (row: Row): boolean => !this.isKeptOut(state, row, room);
    const later = this.claimless.first(room.roomBytes, isAllowed);
    const now = this.claimers.first(room.view.freeBytes, isAllowed);
    const isLater = later !== undefined && (now === undefined || this.isBefore(later, now));
    const first = isLater ? later : now;
    return first === undefined || this.isPromised(room, first) ? undefined : first;
  }

  private isKeptOut(state: KernelState, row: Row, room: DeviceRoom): boolean {
    if (row.isProgram && !room.takesPrograms) return true;
    const { nowMs } = state.now;
    return row.hasFaults && state.faults.active(row.target, room.nodeId, nowMs) !== undefined;
  }

  private changeNodes(state: KernelState, gone: readonly DeviceRoom[]): void {
    for (const room of gone) {
      this.offered.delete(room);
      const { holder } = room;
      if (holder === undefined) continue;
      const row = this.rowOf(holder);
      this.leave(row);
      row.claim = undefined;
      room.holder = undefined;
      this.judge(row);
    }
    for (const row of this.nodeless) this.judge(row);
    for (const row of this.particular) this.judge(row);
    const largestBytes = Math.max(
      0,
      ...this.rooms.all(state).flatMap(({ devices }) => devices.map((of) => of.view.usableBytes)),
    );
    // Who has a promise of a device that is still there fits on it.
    for (const row of this.claimless.above(largestBytes)) this.judge(row);
  }

  private claim(row: Row, room: DeviceRoom): void {
    const { holder } = room;
    if (holder === row) return;
    if (holder !== undefined) {
      const displaced = this.rowOf(holder);
      this.leave(displaced);
      displaced.claim = undefined;
      this.judge(displaced);
    }
    room.holder = row;
    row.claim = room;
  }

  private release(row: Row): void {
    const { claim } = row;
    if (claim === undefined) return;
    claim.holder = undefined;
    row.claim = undefined;
    this.offered.add(claim);
  }

  private leave(row: Row): void {
    this.claimless.delete(row);
    this.claimers.delete(row);
    this.rowless.delete(row);
    this.nodeless.delete(row);
    this.particular.delete(row);
  }
}

/**
 * One kernel for the time of one leadership: the real ActiveLeadership with its control loop, its
 * real link to the processes and the real way to what is stored of tasks, on the simulated server.
 *
 * A replaced leader goes on as a zombie for a while: its commands still leave, its acknowledgements
 * touch nothing.
 */
import type { KernelId, TaskId, TenantId, SystemInfo } from '@llmos/base';
import { STREAMS, ServerTime, asEpoch, encodeJson, readTaskTerms, silentLogger } from '@llmos/base';
import {
  ActiveLeadership,
  JetStreamProcessLink,
  ResultReads,
  SlowLane,
  TaskRecords,
  encodeResult,
  readProtobufBody,
  silentCounters,
  type ActiveLeadershipParts,
  type ForeignRequest,
  type KernelCore,
  type KernelEvent,
  type Principal,
  type Registry,
  type RequestKind,
  type RequestKinds,
  type RequestLink,
} from '@llmos/kernel/testing';
import type { AttachableKernel, SimulatedNode } from '../node/simulated-node';
import { Machine, Program } from '../program';
import { connectTo } from '../server/simulated-connection';
import { MAX_PAYLOAD_BYTES } from '../server/simulated-server';
import type { TableWork } from '../table-work';
import type { PublishedTask } from '../workload';
import type { World } from '../world';
import { createCheckedCore, type CheckedCore, type CoreWork } from './checked-core';
import { SimulatedTaskStream } from './simulated-task-stream';

export interface KernelParts {
  readonly world: World;
  readonly epoch: number;
  readonly nodes: ReadonlyMap<string, SimulatedNode>;
  readonly registry: Registry;
  readonly work: CoreWork;
  readonly checkEvery: number;
  readonly tables?: TableWork;
}

function principalOf(tenant: TenantId): Principal {
  return { tenant, isOperator: tenant === 'operator' };
}

/** How often the room in the stores is looked at. */
const ROOM_LOOK_MS = 5_000;
const MAX_HELD_TASKS = 100_000;
const MAX_HELD_BYTES = 1e9;

export class SimulatedKernel implements AttachableKernel {
  isLeading = true;
  readonly core: KernelCore;
  readonly taskStream: SimulatedTaskStream;
  private readonly machine: Machine;
  private readonly program: Program;
  private readonly checked: CheckedCore;
  private readonly active: ActiveLeadership;
  private isLapsed = false;
  private hasRoom = true;
  private deliverOfNodes: ((event: KernelEvent) => void) | undefined;
  private readonly handlers = new Map<string, (request: ForeignRequest<unknown>) => void>();

  constructor(private readonly parts: KernelParts) {
    const { world, epoch } = parts;
    this.machine = new Machine(world.time, epoch * 1_000_000);
    this.setClock();
    this.program = new Program(this.machine);
    const canLoad = (nodeId: string, target: string): boolean =>
      parts.nodes.get(nodeId)?.canLoad(target) === true;
    this.checked = createCheckedCore({ ...parts, canLoad });
    this.core = this.checked.core;
    const connected = connectTo(world.server, this.program);
    const { connection, manager } = connected;
    const { program } = this;
    const time = new ServerTime(program);
    const slowLane = new SlowLane(connection, program);
    const log = silentLogger;
    const nowMs = (): number => program.nowMs();
    const reads = new ResultReads({ connection, manager, nowMs });
    const shared = { connection, manager, log, time, slowLane, counters: silentCounters };
    this.taskStream = new SimulatedTaskStream({
      ...shared,
      world,
      program,
      connected,
      records: new TaskRecords({ ...shared, reads, encodeResult }),
      intake: {
        functionOf: (name) => parts.registry.functionOf(name),
        readProtobuf: readProtobufBody,
        maxBodyBytes: MAX_PAYLOAD_BYTES,
      },
    });
    const processLink = new JetStreamProcessLink(shared);
    this.active = new ActiveLeadership(
      this.leadershipParts({ clock: time.steady, processLink }),
      asEpoch(epoch),
    );
    program.every(ROOM_LOOK_MS, () => this.lookAtRoom());
    void this.active.begin();
  }

  get isAlive(): boolean {
    return this.program.isRunning;
  }

  get epoch(): number {
    return this.parts.epoch;
  }

  /** Another leader was elected; this one does not know yet. */
  replace(zombieMs: number): void {
    this.isLeading = false;
    this.parts.world.time.after(zombieMs, () => this.stop());
  }

  /** Nothing of it goes on. */
  stop(): void {
    this.isLeading = false;
    if (!this.program.isRunning) return;
    this.program.end();
    void this.active.end();
  }

  pause(forMs: number): void {
    this.parts.world.log(() => `k${this.epoch} stands still for ${Math.round(forMs)} ms`);
    this.machine.standStill(forMs);
  }

  setClock(): void {
    const { random, faults } = this.parts.world;
    this.machine.setWallClock(Math.round((2 * random.next() - 1) * faults.clockSkewMs));
  }

  /** The lease runs out, and nobody else takes it. */
  lapse(forMs: number): void {
    if (this.isLapsed || !this.active.isRunning()) return;
    this.parts.world.log(() => `k${this.epoch} has no lease for ${Math.round(forMs)} ms`);
    this.isLapsed = true;
    this.active.suspend();
    this.program.after(forMs, () => {
      this.isLapsed = false;
      this.active.resume();
    });
  }

  tell(event: KernelEvent): boolean {
    const deliver = this.deliverOfNodes;
    if (deliver === undefined || !this.program.isRunning) return false;
    this.program.hear(() => deliver(event));
    return true;
  }

  /** A task that it stored itself, just now. */
  takeInAhead(task: PublishedTask): void {
    const reading = readTaskTerms((name) => task.headers.get(name));
    // A kernel stores none that it can't read.
    if (reading.kind === 'invalid') return;
    const { terms } = reading;
    this.program.hear(() => this.active.takeInAhead({ ...task, terms }));
  }

  noteAcknowledged(name: string): void {
    this.checked.noteAcknowledged(name);
  }

  cancel(tenant: TenantId, task: TaskId): void {
    this.ask('cancel', { principal: principalOf(tenant), task });
  }

  call(name: string, value: object): void {
    const principal = principalOf('operator' as TenantId);
    this.ask('system', { principal, call: name, body: encodeJson(value) });
  }

  /** Unheard where it does not lead, or not yet. */
  private ask<Kind extends RequestKind>(kind: Kind, asked: RequestKinds[Kind]): void {
    const handle = this.handlers.get(kind);
    if (handle === undefined || !this.active.isServing()) return;
    const request: ForeignRequest<unknown> = {
      label: kind,
      owner: 'anybody',
      bytes: 100,
      read: () => ({ kind: 'read', asked }),
      answering: () => request,
      own: () => request,
      answer: () => undefined,
    };
    this.program.hear(() => handle(request));
  }

  private lookAtRoom(): void {
    const { server } = this.parts.world;
    const streams = [STREAMS.results, STREAMS.answers].map((name) => server.stream(name));
    this.hasRoom = !streams.some((stream) => stream.isFull);
    if (this.active.isRunning()) this.active.adjustIntake();
  }

  private leadershipParts(
    of: Pick<ActiveLeadershipParts, 'clock' | 'processLink'>,
  ): ActiveLeadershipParts {
    const { world, epoch, registry } = this.parts;
    const nothing = (): void => undefined;
    const parts = {
      ...of,
      createCore: () => this.core,
      taskStream: this.taskStream,
      nodeLink: this.nodeLink(),
      eventLog: { publish: nothing },
      requests: this.requestLink(),
      registry,
      registryStore: this.registryStore(),
      registrar: {},
      packageCollector: { begin: nothing, end: nothing },
      attachService: { detachAll: nothing },
      callerLink: { begin: nothing, ask: nothing, mark: nothing, end: nothing },
      counters: silentCounters,
      timers: this.program,
      log: silentLogger,
      kernelId: `kernel-${epoch}` as KernelId,
      info: () => Promise.resolve({} as SystemInfo),
      limits: () => [],
      isLeading: () => !this.isLapsed,
      maxHeldTasks: MAX_HELD_TASKS,
      maxHeldBytes: MAX_HELD_BYTES,
      hasResultRoom: () => this.hasRoom,
      refusalOf: () => undefined,
      onFailure: (error: unknown) =>
        world.report(`the leadership of k${epoch} failed: ${String(error)}`),
    };
    // What a simulated world has no use for (packages, readers that attach) stands empty in it.
    return parts as unknown as ActiveLeadershipParts;
  }

  private nodeLink(): ActiveLeadershipParts['nodeLink'] {
    return {
      begin: (_epoch, deliver) => void (this.deliverOfNodes = deliver),
      end: () => void (this.deliverOfNodes = undefined),
      startProcess: (order) =>
        this.parts.nodes
          .get(order.to.nodeId)
          ?.startProcess(this, { kind: 'start-process', ...order }),
      stopProcess: (to, graceMs) => this.parts.nodes.get(to.nodeId)?.stopProcess(this, to, graceMs),
    };
  }

  private registryStore() {
    const { desired } = this.parts.world;
    const pause = (): Promise<void> =>
      new Promise((resolve) => void this.program.after(2, resolve));
    return {
      readDesired: () =>
        pause().then(() => [...desired].map(([model, replicas]) => ({ model, replicas }))),
      writeDesired: ({ model, replicas }: { model: string; replicas: number }) =>
        pause().then(() => void desired.set(model, replicas)),
    };
  }

  private requestLink(): RequestLink {
    return {
      maxAnswerBytes: () => MAX_PAYLOAD_BYTES,
      serve: (kind, handle) => {
        this.handlers.set(kind, handle as (request: ForeignRequest<unknown>) => void);
        return {
          stop: () => {
            this.handlers.delete(kind);
            return Promise.resolve();
          },
        };
      },
      heard: () => Promise.resolve(),
      finish: () => Promise.resolve(),
      refuseRest: () => undefined,
    };
  }
}

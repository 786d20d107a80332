/**
 * One OS process of a model: the real process runtime with its real adapters, on the simulated
 * server, running simulated executions.
 */
import { BUILT_IN_FUNCTIONS, silentLogger, traitsIn } from '@llmos/base';
import type { AttemptReport, MailboxMessage } from '@llmos/base';
import type { ProcessAddress } from '@llmos/kernel/testing';
import type { MailboxLink } from '@llmos/process/testing';
import {
  ProcessRuntime,
  createLeaderEpoch,
  createMailboxLink,
  createTaskStore,
  runSome,
} from '@llmos/process/testing';
import { Program, type Machine } from '../program';
import { connectTo, type Connected } from '../server/simulated-connection';
import type { World } from '../world';
import { executeWith } from './executor';

export interface ProcessParts {
  readonly world: World;
  readonly machine: Machine;
  readonly address: ProcessAddress;
  readonly permits: number;
  /** It ended by itself. */
  readonly onDeath: () => void;
}

const traitsOf = traitsIn(BUILT_IN_FUNCTIONS);
/** Between two chunks of a stream. */
const CHUNK_MS = 2;

/** Fewer than it has permits, so that attempts wait in the mailbox. */
const AT_ONCE = 3;

export class SimulatedProcess {
  private readonly program: Program;
  private readonly connected: Connected;
  private runtime: ProcessRuntime | undefined;

  constructor(private readonly parts: ProcessParts) {
    this.program = new Program(parts.machine);
    this.connected = connectTo(parts.world.server, this.program);
  }

  get name(): string {
    const { pid, incarnation } = this.parts.address;
    return `${pid}/${incarnation}`;
  }

  get isAlive(): boolean {
    return this.program.isRunning;
  }

  /** Whether nothing runs, waits, or has ended unconfirmed. */
  get isQuiet(): boolean {
    const counts = this.runtime?.counts();
    return counts === undefined || counts.running + counts.waiting + counts.unconfirmed === 0;
  }

  /** Resolves once it has its mailbox. */
  async start(): Promise<void> {
    const { world, permits, address } = this.parts;
    const { connection } = this.connected;
    const { program } = this;
    const handler = executeWith({ world, program, die: () => this.die() });
    this.runtime = new ProcessRuntime({
      link: this.watched(
        createMailboxLink({
          connection,
          node: address.nodeId,
          pid: address.pid,
          incarnation: address.incarnation,
          clock: program,
          log: silentLogger,
          onSkipped: ({ reason }) => world.report(`${this.name} can't read its mail: ${reason}`),
        }),
      ),
      store: await createTaskStore(connection),
      readEpoch: await createLeaderEpoch(connection),
      runner: runSome(AT_ONCE, handler),
      traitsOf,
      incarnation: address.incarnation,
      permits,
      chunkMs: CHUNK_MS,
      clock: program,
      timers: program,
      log: silentLogger,
    });
    await this.runtime.start();
  }

  drain(graceMs: number): Promise<void> {
    return this.runtime?.drain(graceMs) ?? Promise.resolve();
  }

  /** At once, as a crash or a kill: nothing that it was about to do happens. */
  end(): void {
    this.program.end();
    this.connected.close();
  }

  private die(): void {
    this.end();
    this.parts.onDeath();
  }

  private watched(link: MailboxLink): MailboxLink {
    return {
      open: (deliver) =>
        link.open((message) => {
          deliver(message);
          this.checkPermits(message);
        }),
      send: (report) => {
        this.checkReport(report);
        link.send(report);
      },
      close: () => link.close(),
    };
  }

  /** Attempts of a replaced leader may be here besides, and late heartbeats tell of the past. */
  private checkPermits({ command }: MailboxMessage): void {
    const { world, permits } = this.parts;
    const { lateRate, lapses, kernelPauses } = world.options.faults;
    const isExact = world.epoch === 1 && lateRate + lapses + kernelPauses === 0;
    const { running = 0, waiting = 0 } = this.runtime?.counts() ?? {};
    if (isExact && command.kind === 'execute' && running + waiting > permits) {
      world.report(`${this.name} got more tasks than it has permits`);
    }
  }

  private checkReport({ heartbeat, finished }: AttemptReport): void {
    const { world } = this.parts;
    world.log(() => `${this.name} ► ${JSON.stringify({ heartbeat, finished })}`);
    if (heartbeat !== undefined && heartbeat.epoch > world.epoch) {
      world.report(`${this.name} obeys epoch ${heartbeat.epoch}, which never led`);
    }
  }
}

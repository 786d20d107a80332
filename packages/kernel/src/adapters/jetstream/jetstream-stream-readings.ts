/** Asks JetStream how full the streams are, at most once in a while however often it is read. */
import type { Clock, IntakeRow, Logger, StreamLoad, TaskClass } from '@llmos/base';
import { STREAMS, TASK_CLASSES } from '@llmos/base';
import { describeApiError, millis } from '@llmos/wire';
import type { ConsumerInfo, JetStreamManager, StreamInfo } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import type { StreamReading, StreamReadings } from '../../ports/stream-readings';

const NOTHING: StreamReading = { streams: [], intake: [] };

export class JetStreamStreamReadings implements StreamReadings {
  private current: { readonly atMs: number; readonly reading: Promise<StreamReading> } | undefined;

  constructor(
    private readonly options: {
      readonly manager: JetStreamManager;
      readonly clock: Clock;
      readonly log: Logger;
    },
  ) {}

  read(): Promise<StreamReading> {
    const nowMs = this.options.clock.nowMs();
    if (this.current === undefined || nowMs - this.current.atMs >= EDGE_LIMITS.streamReadingMs) {
      this.current = { atMs: nowMs, reading: this.ask() };
    }
    return this.current.reading;
  }

  async loadOf(stream: string): Promise<StreamLoad | undefined> {
    try {
      return this.toLoad(await this.options.manager.streams.info(stream));
    } catch (error) {
      this.tell(error);
      return undefined;
    }
  }

  private async ask(): Promise<StreamReading> {
    const { manager } = this.options;
    try {
      const [infos, consumers] = await Promise.all([
        Promise.all(Object.values(STREAMS).map((name) => manager.streams.info(name))),
        manager.consumers.list(STREAMS.tasks).next(),
      ]);
      const streams = infos.map((info) => this.toLoad(info));
      return { streams, intake: TASK_CLASSES.map((name) => intakeOf(name, consumers)) };
    } catch (error) {
      this.tell(error);
      return NOTHING;
    }
  }

  private toLoad({ config, state }: StreamInfo): StreamLoad {
    return {
      stream: config.name,
      messages: state.messages,
      bytes: state.bytes,
      maxBytes: Math.max(0, config.max_bytes),
      ...freesIn({ config, state }, this.options.clock.wallMs()),
    };
  }

  private tell(error: unknown): void {
    this.options.log.warn('stream-reading-failed', { reason: describeApiError(error) });
  }
}

function freesIn(
  { config, state }: Pick<StreamInfo, 'config' | 'state'>,
  wallMs: number,
): { freesInMs?: number } {
  const firstWallMs = Date.parse(state.first_ts);
  const maxAgeMs = millis(config.max_age);
  if (state.messages === 0 || maxAgeMs === 0 || !Number.isFinite(firstWallMs)) return {};
  return { freesInMs: Math.max(0, Math.round(firstWallMs + maxAgeMs - wallMs)) };
}

/** During a change of leaders there may be consumers of two epochs. */
function intakeOf(taskClass: TaskClass, consumers: readonly ConsumerInfo[]): IntakeRow {
  const own = consumers.filter(({ name }) => name.endsWith(`-${taskClass}`));
  const sum = (read: (info: ConsumerInfo) => number): number =>
    own.reduce((total, info) => total + read(info), 0);
  return {
    class: taskClass,
    pending: sum((info) => info.num_pending),
    ackPending: sum((info) => info.num_ack_pending),
  };
}

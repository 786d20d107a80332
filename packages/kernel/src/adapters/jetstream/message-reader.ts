/** Reads the messages of LLMOS_TASKS into events. Never throws: a message must not stop the others. */
import type { ServerTime } from '@llmos/base';
import type { Delivery, Msg, MsgHdrs, StoredMsg } from '@llmos/wire';
import { readHeaders } from '@llmos/wire';
import type { IntakeEvent } from '../../kernel-event';
import type { PublishedTask } from '../../ports/task-stream';
import type { IntakeContext } from '../../services/task-intake';
import { readKnownTask, readTask, refuseSubject } from '../../services/task-intake';
import { SubjectMemory } from './subject-memory';

interface TaskMessage {
  readonly subject: string;
  readonly headers: () => MsgHdrs | undefined;
  readonly body: Uint8Array;
  readonly sequence: number;
  /** When the server stored it, by its own clock. */
  readonly stampWallMs: number;
}

export class MessageReader {
  private readonly subjects = new SubjectMemory();

  constructor(
    private readonly options: { readonly time: ServerTime; readonly intake: IntakeContext },
  ) {}

  /** One that the stream delivered; undefined where there is nobody to tell. */
  readDelivered(msg: Msg, delivery: Delivery): IntakeEvent | undefined {
    return this.read({
      subject: msg.subject,
      headers: () => msg.headers,
      body: msg.data,
      sequence: delivery.sequence,
      stampWallMs: delivery.storedWallMs,
    });
  }

  /** One that was read by its sequence; undefined where there is nobody to tell. */
  readStored(stored: StoredMsg): IntakeEvent | undefined {
    return this.read({
      subject: stored.subject,
      headers: () => stored.header,
      body: stored.data,
      sequence: stored.seq,
      stampWallMs: stored.time.getTime(),
    });
  }

  /** One whose storing was just acknowledged: it was stored about now. */
  readPublished(published: PublishedTask): IntakeEvent {
    const { time, intake } = this.options;
    const storedWallMs = time.steady.wallMs();
    const steadyShiftMs = storedWallMs - time.wallMs();
    return readKnownTask({ ...published, storedWallMs, steadyShiftMs }, intake);
  }

  private read(message: TaskMessage): IntakeEvent | undefined {
    const { time, intake } = this.options;
    const { sequence, stampWallMs, body } = message;
    time.hearStored({ sequence, stampWallMs });
    const storedWallMs = time.steadyOf(stampWallMs);
    const subject = this.subjects.parse(message.subject);
    if (subject === undefined) {
      return refuseSubject({ sequence, storedWallMs, subject: message.subject });
    }
    const { get: header, isReadable: areHeadersReadable } = readHeaders(message.headers);
    const steadyShiftMs = storedWallMs - stampWallMs;
    return readTask(
      { sequence, storedWallMs, steadyShiftMs, subject, header, areHeadersReadable, body },
      intake,
    );
  }
}

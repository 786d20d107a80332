/** Reads the messages of LLMOS_TASKS into events. Never throws: a message must not stop the others. */
import type { Delivery, ServerTime } from '@llmos/base';
import { readHeaders } from '@llmos/base';
import type { Msg } from 'nats';
import type { IntakeEvent } from '../../kernel-event';
import type { PublishedTask } from '../../ports/task-stream';
import type { IntakeContext } from '../../services/task-intake';
import { readTask, refuseSubject } from '../../services/task-intake';
import { SubjectMemory } from './subject-memory';

export class MessageReader {
  private readonly subjects = new SubjectMemory();

  constructor(
    private readonly options: { readonly time: ServerTime; readonly intake: IntakeContext },
  ) {}

  /** One that the stream delivered; undefined where there is nobody to tell. */
  readDelivered(msg: Msg, delivery: Delivery): IntakeEvent | undefined {
    const { time, intake } = this.options;
    const { sequence } = delivery;
    time.hearStored({ sequence, stampWallMs: delivery.storedWallMs });
    const storedWallMs = time.steadyOf(delivery.storedWallMs);
    const subject = this.subjects.parse(msg.subject);
    if (subject === undefined) {
      return refuseSubject({ sequence, storedWallMs, subject: msg.subject });
    }
    const { get: header, isReadable: areHeadersReadable } = readHeaders(() => msg.headers);
    const steadyShiftMs = storedWallMs - delivery.storedWallMs;
    const body = msg.data;
    return readTask(
      { sequence, storedWallMs, steadyShiftMs, subject, header, areHeadersReadable, body },
      intake,
    );
  }

  /** One whose storing was just acknowledged: it was stored about now. */
  readPublished({ sequence, subject, headers, body }: PublishedTask): IntakeEvent {
    const { time, intake } = this.options;
    const storedWallMs = time.wallMs();
    const header = (name: string): string | undefined => headers.get(name);
    return readTask(
      { sequence, storedWallMs, subject, header, areHeadersReadable: true, body },
      intake,
    );
  }
}

import type { FunctionName, TenantId } from '@llmos/base';
import { ServerTime, BUILT_IN_FUNCTIONS } from '@llmos/base';
import { manualClock, termsOf } from '@llmos/base/testing';
import { MessageReader } from './message-reader';

const AHEAD_MS = 90_000;

it('counts a deadline of the server in its own time, whatever its own clock says', () => {
  const clock = manualClock();
  const time = new ServerTime(clock);
  const stampWallMs = clock.wallMs() + AHEAD_MS;
  time.hear({ stampWallMs, heardAtMs: clock.nowMs(), sentAtMs: clock.nowMs() });
  const reader = new MessageReader({
    time,
    intake: {
      functionOf: (name) => BUILT_IN_FUNCTIONS.find((definition) => definition.name === name),
      readProtobuf: () => ({}),
      maxBodyBytes: 1_000,
    },
  });
  const { spec } = reader.readPublished({
    sequence: 7,
    subject: {
      class: 'standard',
      tenant: 'acme' as TenantId,
      function: 'echo' as FunctionName,
    },
    terms: termsOf({ deadlineWallMs: stampWallMs + 5_000 }),
    body: Buffer.from('1'),
  });
  expect((spec.deadlineWallMs ?? 0) - spec.storedWallMs).toBe(5_000);
  expect(spec.storedWallMs).toBe(time.steady.wallMs());
});

import type {
  AttemptReport,
  AttemptSpec,
  FunctionName,
  MailboxCommand,
  TaskId,
  TenantId,
} from '@llmos/base';
import { HARDLY_ANY_BYTES, heldBytesOf } from '@llmos/base/testing';
import { mailbox, report } from '@llmos/proto';
import {
  decodeMailboxMessage,
  decodeReport,
  encodeMailboxMessage,
  encodeReport,
} from './process-codec';

const REF = { tenant: 'acme' as TenantId, task: 't1' as TaskId, attempt: 2 };
const SPEC: AttemptSpec = {
  ...REF,
  root: 't1' as TaskId,
  ...{ function: 'generate' as FunctionName, class: 'batch', priority: 5, sequence: 7 },
  ...{ deadlineAtMs: Infinity, stream: true, format: 'json' },
};
const SENT = { nowMs: 1_000, wallMs: 500_000 };
const HEARD = { nowMs: 10_000, wallMs: 5 };
const COST = { deviceMs: 1.5, cpuMs: 6, inputTokens: 7, outputTokens: 2 };

const write = (command: MailboxCommand): Uint8Array =>
  encodeMailboxMessage({ epoch: 7, incarnation: 3, command }, SENT);

function read(bytes: Uint8Array): AttemptSpec | undefined {
  const command = decodeMailboxMessage(bytes, HEARD)?.command;
  return command?.kind === 'execute' ? command.spec : undefined;
}

it.each<MailboxCommand>([
  { kind: 'execute', spec: SPEC },
  { kind: 'cancel', attempt: REF, reason: 'CANCELLED' },
  { kind: 'preempt', attempt: REF },
  { kind: 'confirm', attempts: [REF, { ...REF, attempt: 3 }] },
  { kind: 'hello' },
])('gives back what was written to a mailbox: $kind', (command) => {
  const message = { epoch: 7, incarnation: 3, command };
  expect(decodeMailboxMessage(write(command), HEARD)).toEqual(message);
});

it('gives back all that an order says, its body too', () => {
  const spec = {
    ...SPEC,
    ...{ key: 'k', model: 'm@1', traceparent: '00-1', keepMs: 9, digest: 'd', flow: 'f' },
    ...{ notBeforeWallMs: 4, root: 'r', body: new Uint8Array([9, 1, 2, 3, 9]).subarray(1, 4) },
  } as AttemptSpec;
  const found = read(write({ kind: 'execute', spec }));
  expect(found).toEqual({ ...spec, body: Buffer.from([1, 2, 3]) });
});

it('sends what is left and what has passed, so that no two clocks are compared', () => {
  const spec = { ...SPEC, deadlineAtMs: 1_600, storedAtMs: 750 };
  const bytes = write({ kind: 'execute', spec });
  expect(read(bytes)).toMatchObject({ deadlineAtMs: 10_600, storedAtMs: 9_750 });
  expect(mailbox.MailboxMessage.decode(bytes).command).toMatchObject({
    value: { leftMs: 600, ageMs: 250, deadlineWallMs: 500_600 },
  });
});

it('takes the wall clock of a kernel that does not say what is left', () => {
  const written = mailbox.MailboxMessage.decode(write({ kind: 'execute', spec: SPEC }));
  if (written.command?.$case !== 'execute') throw new Error('no execute');
  const value = { ...written.command.value, deadlineWallMs: 105 };
  const command = { $case: 'execute' as const, value };
  const bytes = mailbox.MailboxMessage.encode({ ...written, command }).finish();
  expect(read(bytes)?.deadlineAtMs).toBe(10_100);
});

it.each([undefined, Number.NaN, Infinity, -1])('takes an age of %s for none', (ageMs) => {
  const message = mailbox.MailboxMessage.decode(write({ kind: 'execute', spec: SPEC }));
  if (message.command?.$case !== 'execute') throw new Error('no execute');
  const command = { $case: 'execute' as const, value: { ...message.command.value, ageMs } };
  const bytes = mailbox.MailboxMessage.encode({ ...message, command }).finish();
  expect(read(bytes)).toMatchObject({ task: 't1', storedAtMs: undefined });
});

it('gives back what was reported, the ends of all kinds', () => {
  const error = { code: 'INTERNAL', retryable: true, message: 'x' } as const;
  const sent: AttemptReport = {
    accepted: [REF],
    finished: [
      { ref: REF, outcome: { kind: 'committed', ok: true }, cost: COST },
      { ref: REF, outcome: { kind: 'committed', ok: false, errorCode: 'INTERNAL' } },
      { ref: REF, outcome: { kind: 'failed', error } },
      { ref: REF, outcome: { kind: 'failed', error, isSuspect: true } },
      { ref: REF, outcome: { kind: 'stopped', reason: 'CANCELLED' } },
      { ref: REF, outcome: { kind: 'preempted' }, cost: COST },
    ],
    heartbeat: { running: [REF, REF], costs: [COST], epoch: 7, foreign: 2 },
  };
  expect(decodeReport(encodeReport(3, sent))).toEqual({ incarnation: 3, ...sent });
});

function encode(of: Partial<report.ReportBatch>): Uint8Array {
  const empty = { accepted: [], finished: [], preempted: [], preemptedCosts: [] };
  const batch = { incarnation: 1, ...empty, heartbeat: undefined, ...of };
  return report.ReportBatch.encode(batch).finish();
}
const committed = { $case: 'committed' as const, value: { ok: true, errorCode: '' } };

it.each([NaN, Infinity, -Infinity, -1])('takes no cost of %d, and the rest of the report', (ms) => {
  for (const wrong of [
    { ...COST, deviceMs: ms },
    { ...COST, cpuMs: ms },
  ]) {
    const finished = [{ attempt: REF, outcome: committed, cost: wrong }];
    const [end] = decodeReport(encode({ finished })).finished;
    expect(end).toEqual({ ref: REF, outcome: { kind: 'committed', ok: true } });
  }
});

it('knows no cost of what was preempted without one', () => {
  const { finished } = decodeReport(encode({ preempted: [REF, REF], preemptedCosts: [COST] }));
  expect(finished.map(({ cost }) => cost)).toEqual([COST, undefined]);
});

it.each([
  ['no protobuf', new Uint8Array([0xff, 0xff, 0xff])],
  ['no incarnation', encode({ incarnation: 0 })],
  ['a tenant that is no token', encode({ accepted: [{ ...REF, tenant: 'a.b' }] })],
  ['an attempt below one', encode({ accepted: [{ ...REF, attempt: 0 }] })],
  ['an attempt beyond reason', encode({ accepted: [{ ...REF, attempt: 4_000_000_000 }] })],
  ['an end without an outcome', encode({ finished: [{ attempt: REF, outcome: undefined }] })],
])('refuses a report with %s', (_name, bytes) => {
  expect(() => decodeReport(bytes)).toThrow();
});

it('bounds the foreign text of a failure, and knows only the codes there are', () => {
  const value = { code: 'WEIRD', retryable: true, message: 'x'.repeat(100_000) };
  const finished = [{ attempt: REF, outcome: { $case: 'failed' as const, value } }];
  const [end] = decodeReport(encode({ finished })).finished;
  const error = end?.outcome.kind === 'failed' ? end.outcome.error : undefined;
  expect([error?.code, error?.retryable]).toEqual(['UNKNOWN', true]);
  expect(error?.message.length).toBeLessThan(3_000);
});

it('holds of a foreign text only what it keeps', async () => {
  const read = (huge: string): unknown => {
    const value = { code: 'WEIRD', retryable: true, message: huge };
    const finished = [{ attempt: REF, outcome: { $case: 'failed' as const, value } }];
    return decodeReport(encode({ finished })).finished;
  };
  expect(await heldBytesOf(read)).toBeLessThan(HARDLY_ANY_BYTES);
});

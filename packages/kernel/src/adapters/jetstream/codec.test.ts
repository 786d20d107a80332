import type { FunctionName, NodeId, ProcessId, TaskId, TenantId } from '@llmos/base';
import { asEpoch, parseDelivery } from '@llmos/base';
import { mailbox, report } from '@llmos/proto';
import type { TaskSpec } from '../../tasks/task-spec';
import { decodeReport, encodeMailbox, executeCommand } from './codec';
import { headerText } from './headers';
import { HeldMessages } from './held-messages';

const from = { node: 'n1' as NodeId, process: 'p1-1' as ProcessId };
const ref = { tenant: 'acme', task: 's1', attempt: 2 };

function encode(of: Partial<report.ReportBatch>): Uint8Array {
  const empty = { accepted: [], finished: [], preempted: [], preemptedCosts: [] };
  const batch = { incarnation: 1, ...empty, heartbeat: undefined, ...of };
  return report.ReportBatch.encode(batch).finish();
}

it('carries a task to the mailbox with everything that the process needs', () => {
  const spec: TaskSpec = {
    tenant: 'acme' as TenantId,
    id: 't1' as TaskId,
    hasOwnId: true,
    function: 'embed' as FunctionName,
    class: 'batch',
    priority: 9,
    hasOwnPriority: true,
    sequence: 77,
    storedWallMs: 1,
    maxAttempts: 3,
    stream: true,
    format: 'json',
    model: { name: 'mini', version: '1' },
  };
  const body = new Uint8Array([9, 1, 2, 3, 9]).subarray(1, 4);
  const times = { deadlineWallMs: 5, leftMs: 3, ageMs: 250 };
  const command = executeCommand({ spec, attempt: 2, ...times, body });
  const bytes = encodeMailbox({ epoch: asEpoch(7), incarnation: 3, command });
  const read = mailbox.MailboxMessage.decode(bytes);
  expect([read.epoch, read.incarnation]).toEqual([7, 3]);
  expect(read.command).toMatchObject({
    $case: 'execute',
    value: { task: 't1', attempt: 2, model: 'mini@1', sequence: 77, root: 't1', stream: true },
  });
  expect(read.command).toMatchObject({
    value: { deadlineWallMs: 5, leftMs: 3, ageMs: 250 },
  });
  const value = read.command?.$case === 'execute' ? read.command.value.body : undefined;
  expect([...(value ?? [])]).toEqual([1, 2, 3]);
});

it('reads the facts of a report in their order', () => {
  const heartbeat = { running: [ref], costs: [], epoch: 7, foreign: 2 };
  const finished = [
    { attempt: ref, outcome: { $case: 'committed' as const, value: { ok: true, errorCode: '' } } },
  ];
  const events = decodeReport(from, encode({ accepted: [ref], finished, heartbeat }));
  expect(events.map((event) => event.kind)).toEqual([
    'attempt-accepted',
    'attempt-finished',
    'process-heartbeat',
  ]);
  expect(events[1]).toMatchObject({ origin: { pid: 'p1-1' }, outcome: { ok: true } });
});

const cost = { deviceMs: 1.5, cpuMs: 6, inputTokens: 7, outputTokens: 2 };
const committed = { $case: 'committed' as const, value: { ok: true, errorCode: '' } };

it('reads what attempts have cost, where it is told', () => {
  const events = decodeReport(
    from,
    encode({
      finished: [
        { attempt: ref, outcome: committed, cost },
        { attempt: ref, outcome: committed, cost: undefined },
      ],
      preempted: [ref, ref],
      preemptedCosts: [cost],
      heartbeat: { running: [ref, ref], costs: [cost], epoch: 1, foreign: 0 },
    }),
  );
  const told = events.map((event) => ('cost' in event ? event.cost : undefined));
  expect(told).toEqual([cost, undefined, cost, undefined, undefined]);
  expect(events.at(-1)).toMatchObject({ running: [{ ...ref, cost }, ref] });
});

it.each([NaN, Infinity, -Infinity, -1])('takes no cost of %d, and the rest of the report', (ms) => {
  for (const wrong of [
    { ...cost, deviceMs: ms },
    { ...cost, cpuMs: ms },
  ]) {
    const [event] = decodeReport(
      from,
      encode({ finished: [{ attempt: ref, outcome: committed, cost: wrong }] }),
    );
    expect(event).toMatchObject({ kind: 'attempt-finished', outcome: { ok: true } });
    expect(event).not.toHaveProperty('cost');
  }
});

it.each([
  ['no protobuf', new Uint8Array([0xff, 0xff, 0xff])],
  ['no incarnation', encode({ incarnation: 0 })],
  ['a tenant that is no token', encode({ accepted: [{ ...ref, tenant: 'a.b' }] })],
  ['an attempt below one', encode({ accepted: [{ ...ref, attempt: 0 }] })],
  ['an attempt beyond reason', encode({ accepted: [{ ...ref, attempt: 4_000_000_000 }] })],
  ['an end without an outcome', encode({ finished: [{ attempt: ref, outcome: undefined }] })],
])('refuses a report with %s', (_name, bytes) => {
  expect(() => decodeReport(from, bytes)).toThrow();
});

it('bounds the foreign text of a failure, and knows only the codes there are', () => {
  const value = { code: 'WEIRD', retryable: true, message: 'x'.repeat(100_000) };
  const finished = [{ attempt: ref, outcome: { $case: 'failed' as const, value } }];
  const [event] = decodeReport(from, encode({ finished }));
  const outcome = event?.kind === 'attempt-finished' ? event.outcome : undefined;
  const error = outcome?.kind === 'failed' ? outcome.error : undefined;
  expect([error?.code, error?.retryable]).toEqual(['UNKNOWN', true]);
  expect(error?.message.length).toBeLessThan(3_000);
});

it('reads a delivery of old and new servers', () => {
  const old = '$JS.ACK.LLMOS_TASKS.intake-3-batch.1.17.4.1700000000123456789.0';
  expect(parseDelivery(old)).toEqual({
    sequence: 17,
    consumerSequence: 4,
    pending: 0,
    storedWallMs: 1_700_000_000_123,
  });
  const next = '$JS.ACK._.ACCHASH.LLMOS_TASKS.intake-3-batch.1.17.4.1700000000123456789.0.x';
  expect(parseDelivery(next)?.sequence).toBe(17);
  expect(parseDelivery('_INBOX.abc')).toBeUndefined();
  expect(parseDelivery('$JS.ACK.a.b.c.d.e.f.g')).toBeUndefined();
});

it('holds bodies within the budget and acknowledges the latest delivery once', () => {
  const held = new HeldMessages(10);
  held.hold(1, 'ack-1', new Uint8Array(8));
  held.hold(2, 'ack-2', new Uint8Array(8));
  held.hold(1, 'ack-1b', new Uint8Array(8));
  expect([held.bodyOf(1)?.length, held.bodyOf(2)]).toEqual([8, undefined]);
  expect([held.release(1), held.release(1)]).toEqual(['ack-1b', undefined]);
  held.hold(3, 'ack-3', new Uint8Array(8));
  expect(held.bodyOf(3)?.length).toBe(8);
  expect(held.count).toBe(2);
});

it.each([0, 5, 1_024, 1_025])('gives a body of %d bytes back as it was', (length) => {
  const held = new HeldMessages(10_000);
  const body = Uint8Array.from({ length }, (_, index) => (index * 7) % 256);
  held.hold(1, 'ack', body);
  expect(Buffer.from(held.bodyOf(1) ?? [])).toEqual(Buffer.from(body));
  expect(held.release(1)).toBe('ack');
});

it('makes any text safe as a header', () => {
  expect(headerText('a\r\nNats-Rollup: all\u0000', 100)).toBe('a Nats-Rollup: all');
  expect(headerText('x'.repeat(50), 10)).toBe(`${'x'.repeat(9)}…`);
});

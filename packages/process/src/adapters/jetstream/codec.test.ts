import type { FunctionName, TaskId, TenantId } from '@llmos/base';
import { asEpoch } from '@llmos/base';
import { mailbox } from '@llmos/proto';
import type { AttemptSpec } from '../../attempt';
import { decodeMailboxMessage, encodeMailboxMessage } from './codec';

const SPEC: AttemptSpec = {
  ...{ tenant: 'acme' as TenantId, task: 't1' as TaskId, root: 't1' as TaskId, attempt: 1 },
  ...{ function: 'generate' as FunctionName, class: 'batch', priority: 5, sequence: 7 },
  ...{ deadlineAtMs: Infinity, stream: true, format: 'json' },
};
const NOW = { nowMs: 10_000, wallMs: 5 };

function read(bytes: Uint8Array): AttemptSpec | undefined {
  const command = decodeMailboxMessage(bytes, NOW)?.command;
  return command?.kind === 'execute' ? command.spec : undefined;
}

function written(spec: AttemptSpec): mailbox.MailboxMessage {
  const command = { kind: 'execute' as const, spec };
  const bytes = encodeMailboxMessage({ epoch: asEpoch(1), incarnation: 1, command });
  return mailbox.MailboxMessage.decode(bytes);
}

it('turns the age of a task into a time by its own clock, whatever the wall clocks say', () => {
  const bytes = mailbox.MailboxMessage.encode(written({ ...SPEC, storedAtMs: -250 })).finish();
  expect(read(bytes)).toMatchObject({ storedAtMs: 9_750, deadlineAtMs: Infinity });
});

it.each([undefined, Number.NaN, Infinity, -1])('takes an age of %s for none', (ageMs) => {
  const message = written(SPEC);
  if (message.command?.$case !== 'execute') throw new Error('no execute');
  const value = { ...message.command.value, ageMs };
  const command = { $case: 'execute' as const, value };
  const bytes = mailbox.MailboxMessage.encode({ ...message, command }).finish();
  expect(read(bytes)).toMatchObject({ task: 't1' });
  expect(read(bytes)).not.toHaveProperty('storedAtMs');
});

import type { FunctionName, TaskId, TenantId } from './ids';
import {
  isAnswerable,
  parseTaskOwner,
  parseTaskSubject,
  parseTenantFunction,
  parseTenantTask,
  subjects,
} from './subjects';

const hostileTokens = [
  '',
  ' ',
  'a b',
  'a\r\nPUB x 0',
  'a.b',
  '*',
  '>',
  'é',
  'x'.repeat(65),
  'x'.repeat(5000),
  '\u0000',
];

describe('subjects', () => {
  it('builds and parses a task subject', () => {
    const of = {
      class: 'batch' as const,
      tenant: 'acme' as TenantId,
      function: 'embed' as FunctionName,
    };
    expect(subjects.task(of)).toBe('llmos.v1.task.batch.acme.embed');
    expect(parseTaskSubject(subjects.task(of))).toEqual(of);
  });

  it('tells whose a task is, whatever its function', () => {
    const owner = { class: 'batch', tenant: 'acme' };
    for (const name of ['echo', 'ec$ho', '>', '*']) {
      expect(parseTaskOwner(`llmos.v1.task.batch.acme.${name}`)).toEqual(owner);
    }
    for (const rest of ['batch.>.echo', 'urgent.acme.echo', 'batch.acme', 'batch.acme.a.b']) {
      expect(parseTaskOwner(`llmos.v1.task.${rest}`)).toBeUndefined();
    }
    expect(parseTaskOwner('llmos.v1.call.batch.acme.echo')).toBeUndefined();
  });

  it.each(hostileTokens)('refuses to build a subject with the token %j', (token) => {
    expect(() => subjects.result({ tenant: token as TenantId, task: 't' as TaskId })).toThrow(
      TypeError,
    );
    expect(() => subjects.cancel({ tenant: 'a' as TenantId, task: token as TaskId })).toThrow(
      /must match/,
    );
  });

  it.each([
    'llmos.v1.task.urgent.acme.embed',
    'llmos.v1.task.batch.acme',
    'llmos.v1.task.batch.acme.embed.more',
    'llmos.v2.task.batch.acme.embed',
    'llmos.v1.task.batch.ac me.embed',
    'llmos.v1.task.batch..embed',
    'x'.repeat(5000),
    '',
  ])('does not parse %j as a task subject', (text) => {
    expect(parseTaskSubject(text)).toBeUndefined();
  });

  it('parses only the kind that was asked for', () => {
    expect(parseTenantFunction('call', 'llmos.v1.submit.acme.embed')).toBeUndefined();
    expect(parseTenantTask('cancel', 'llmos.v1.cancel.acme.t-1')).toEqual({
      tenant: 'acme',
      task: 't-1',
    });
  });

  it('answers inboxes only', () => {
    expect(isAnswerable('_INBOX.abc.1')).toBe(true);
    expect(isAnswerable('_R_.abc')).toBe(true);
    for (const reply of [
      undefined,
      '',
      '$JS.API.STREAM.PURGE.LLMOS_TASKS',
      '_INBOX.a b',
      '_INBOX.>',
      `_INBOX.${'x'.repeat(300)}`,
    ]) {
      expect(isAnswerable(reply)).toBe(false);
    }
  });
});

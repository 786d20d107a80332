/** Direct reads of messages whose publisher wrote headers of the names that the server adds. */
import { closeLink, openLink, readDirectAnswer, readHeaders, statusOf } from '@llmos/wire';
import { headers as newHeaders } from 'nats';
import type { NatsConnection } from 'nats';
import type { TestNatsServer } from '../support/nats-server';
import { PATIENT, natsServerPrograms, startNatsServer } from '../support/nats-server';

const STREAM = 'STORED';
const ignore = (): void => undefined;
/** In both cases: the server writes the first. */
const LIES = {
  'Nats-Stream': 'LIE',
  'Nats-Subject': 'stored.lie',
  'Nats-Sequence': '1',
  'Nats-Time-Stamp': '2000-01-01T00:00:00Z',
  'Nats-Num-Pending': '77',
  'Nats-Last-Sequence': '77',
};

describe.each(natsServerPrograms())('on %s', (_name, program) => {
  let nats: TestNatsServer;
  let connection: NatsConnection;

  beforeAll(async () => {
    nats = await startNatsServer(program === undefined ? {} : { program });
    const servers = [nats.url];
    connection = await openLink({ servers, name: 'reader', onSkipped: ignore, onUnsent: ignore });
    const manager = await connection.jetstreamManager(PATIENT);
    await manager.streams.add({ name: STREAM, subjects: ['stored.*'], allow_direct: true });
    const headers = newHeaders();
    for (const [name, lie] of Object.entries(LIES)) {
      headers.append(name, lie);
      headers.append(name.toLowerCase(), lie);
    }
    const jetstream = connection.jetstream(PATIENT);
    await jetstream.publish('stored.before');
    for (const subject of ['stored.liar', 'stored.liar']) {
      await jetstream.publish(subject, 'body', { headers });
    }
  });
  afterAll(async () => {
    if (connection !== undefined) await closeLink(connection);
    await nats?.stop();
  });

  it.each([
    ['the last of a subject', `${STREAM}.stored.liar`, '', 3],
    ['a sequence', STREAM, '{"seq":2}', 2],
    ['the next of a subject', STREAM, '{"seq":1,"next_by_subj":"stored.liar"}', 2],
  ])('the reader believes the server: %s', async (_what, path, query, sequence) => {
    const answer = await connection.request(`$JS.API.DIRECT.GET.${path}`, query, PATIENT);
    const { get } = readHeaders(() => answer.headers);
    expect(readDirectAnswer(statusOf(answer), get)).toEqual({ kind: 'found', sequence });
    expect([get('Nats-Stream'), get('Nats-Subject')]).toEqual([STREAM, 'stored.liar']);
    const ageMs = Date.now() - Date.parse(get('Nats-Time-Stamp') ?? '');
    expect(Math.abs(ageMs)).toBeLessThan(3_600_000);
  });
});

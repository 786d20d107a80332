/** Package files on a real server, beside what none of us stored: JetStreamPackageStore. */
import { PACKAGE_STORE, encodeJson, packageObjectName } from '@llmos/base';
import { JetStreamPackageStore, wantedStores } from '@llmos/kernel/testing';
import { PACKAGE_STREAM, closeLink, objectSubject, piecesSubject } from '@llmos/wire';
import type { JetStreamManager, NatsConnection } from 'nats';
import { openKernelLink } from '../support/kernel-link';
import { PATIENT, startNatsServer } from '../support/nats-server';
import type { TestNatsServer } from '../support/nats-server';
import { publishOddHeaders, publishUnreadable, rawPublish } from '../support/raw-nats';
import { waitFor } from '../support/wait-for';

const fileOf = (letter: string) => ({ path: letter, sha256: letter.repeat(64), bytes: 5 });
const nameOf = (letter: string): string => objectSubject(packageObjectName(letter.repeat(64)));

let nats: TestNatsServer;
/** As a kernel has it, behind its guards. */
let connection: NatsConnection;
let manager: JetStreamManager;
let store: JetStreamPackageStore;

beforeEach(async () => {
  nats = await startNatsServer();
  connection = await openKernelLink(nats.url);
  manager = await connection.jetstreamManager(PATIENT);
  for (const { config } of wantedStores({ storageBytes: 2 ** 28, resultMaxAgeMs: 3_600_000 })) {
    if (config.name === PACKAGE_STREAM) await manager.streams.add(config);
  }
  store = new JetStreamPackageStore(manager);
});
afterEach(async () => {
  if (connection !== undefined) await closeLink(connection);
  await nats?.stop();
});

const put = (subject: string, body: Uint8Array): Promise<unknown> =>
  connection.jetstream(PATIENT).publish(subject, body);
/** As every client stores one; the upload is named like the file. */
async function putFile(letter: string): Promise<void> {
  await put(piecesSubject(letter), Buffer.from('piece'));
  const described = {
    name: packageObjectName(letter.repeat(64)),
    nuid: letter,
    chunks: 1,
    size: 5,
  };
  await put(nameOf(letter), encodeJson(described));
}
async function putStray(subject: string): Promise<void> {
  const bytes = Buffer.from('NATS/1.0\r\n\r\nx');
  await rawPublish({ url: nats.url, subject, headerBytes: 12, bytes });
}
async function subjectsLeft(): Promise<readonly string[]> {
  const { state } = await manager.streams.info(PACKAGE_STREAM, { subjects_filter: '>' });
  return Object.keys(state.subjects ?? {}).sort();
}

/** Bytes that describe no file of five bytes. */
const NO_FILES: readonly Uint8Array[] = [
  Buffer.alloc(0),
  Buffer.from('garbage'),
  Buffer.from([0xff, 0, 0x7b]),
  Buffer.from('['.repeat(50_000)),
  encodeJson(null),
  encodeJson([]),
  encodeJson({ size: 5 }),
  encodeJson({ nuid: '>', chunks: 1, size: 5 }),
  encodeJson({ nuid: 'a', chunks: 1, size: 5, deleted: true }),
  encodeJson({ nuid: 'a', chunks: 1, size: 6 }),
];

it('misses the files that are not there, or that nobody described', async () => {
  const [a, b] = [fileOf('a'), fileOf('b')];
  expect(await store.missing([a, b])).toEqual([a, b]);
  await putFile('a');
  expect(await store.missing([a, b])).toEqual([b]);
  for (const description of NO_FILES) {
    await put(nameOf('b'), description);
    expect(await store.missing([a, b])).toEqual([b]);
  }
  await publishUnreadable({ url: nats.url, subject: nameOf('b'), body: 'x' });
  await publishOddHeaders({ url: nats.url, subject: nameOf('b'), body: Buffer.from('garbage') });
  expect(await store.missing([a, b])).toEqual([b]);
  await putFile('b');
  expect(await store.missing([a, b])).toEqual([]);
  await nats.restart();
  await waitFor(() => connection.flush().then(() => true), { what: 'the connection to be back' });
  expect(await store.missing([a, b, fileOf('c')])).toEqual([fileOf('c')]);
});

it('removes what is unused, and nothing else, whatever lies beside it', async () => {
  for (const letter of ['a', 'b']) await putFile(letter);
  await put(piecesSubject('unfinished'), Buffer.from('piece'));
  for (const [index, description] of NO_FILES.entries()) {
    await put(`$O.${PACKAGE_STORE}.M.odd${index}`, description);
  }
  await put(nameOf('c'), Buffer.from('garbage'));
  await publishUnreadable({ url: nats.url, subject: nameOf('d'), body: 'garbage' });
  // A server stores these; as filters, they would be of everything.
  const strays = [piecesSubject('>'), piecesSubject('*'), `$O.${PACKAGE_STORE}.M.>`];
  for (const subject of strays) await putStray(subject);
  // More uploads than names: only then is any looked for that never ended.
  for (let n = 0; n < NO_FILES.length + 4; n += 1)
    await put(piecesSubject(`u${n}`), Buffer.from(''));
  const before = await subjectsLeft();
  expect(before).toEqual(expect.arrayContaining(strays));
  const unused = await store.unused((sha256) => sha256 === fileOf('a').sha256);
  for (const item of unused) await store.remove(item);
  const left = await subjectsLeft();
  expect(before.filter((subject) => !left.includes(subject))).toEqual(
    before.filter(
      (subject) =>
        ['b', 'c', 'd'].map(nameOf).includes(subject) || /\.C\.(b|unfinished|u\d+)$/.test(subject),
    ),
  );
  expect(await store.missing([fileOf('a')])).toEqual([]);
});

it('leaves a file alone that was stored anew since it was unused', async () => {
  await putFile('a');
  const [item] = await store.unused(() => false);
  await put(nameOf('a'), encodeJson({ nuid: 'b', chunks: 1, size: 5 }));
  if (item !== undefined) await store.remove(item);
  expect(await store.missing([fileOf('a')])).toEqual([]);
});

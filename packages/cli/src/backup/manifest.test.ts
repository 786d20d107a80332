import type { Manifest } from './manifest';
import { formatManifest, isOwnStream, parseManifest } from './manifest';
import { assertVersion } from './server-version';

const rawState = { messages: 2, bytes: 64, first_seq: 1, last_seq: 2 };
const stream = {
  name: 'LLMOS_TASKS',
  created: '2026-01-01T00:00:00Z',
  config: { name: 'LLMOS_TASKS' },
  state: { messages: 2, bytes: 64, firstSequence: 1, lastSequence: 2 },
  rawState,
  fileBytes: 10,
  sha256: 'a'.repeat(64),
};
const manifest: Manifest = {
  isComplete: true,
  createdAt: '2026-01-01T00:00:00Z',
  llmosVersion: '0.1.0',
  serverVersion: '2.10.1',
  streams: [stream],
};

function parse(changes: object): Manifest {
  return parseManifest(formatManifest({ ...manifest, ...changes }), 'backup.json');
}

it('is read as it was written', () => {
  expect(parse({})).toEqual(manifest);
});

it.each([
  ['another format', { format: 2 }, 'format 2'],
  ['a stream of someone else', { streams: [{ ...stream, name: '../etc' }] }, '../etc'],
  ['the configuration of another stream', { streams: [{ ...stream, config: {} }] }, 'LLMOS_TASKS'],
  ['a stream twice', { streams: [stream, stream] }, 'twice'],
  ['no digest', { streams: [{ ...stream, sha256: 'x' }] }, 'digest'],
  ['no state', { streams: [{ ...stream, rawState: { ...rawState, bytes: -1 } }] }, 'state'],
  ['no size', { streams: [{ ...stream, fileBytes: 0.5 }] }, 'size'],
  ['too many streams', { streams: new Array(1_000).fill(stream) }, 'at most'],
  ['no list', { streams: 7 }, 'list'],
])('refuses %s', (_name, changes, reason) => {
  expect(() => parse(changes)).toThrow(reason);
});

it('refuses whatever a disk has changed in it', () => {
  const aged = { ...stream, config: { ...stream.config, max_age: 0 } };
  const text = formatManifest({ ...manifest, streams: [aged] });
  const changes = [
    ['"max_age": 0', '"max_age": 1'],
    ['"max_age"', '"mcx_age"'],
    ['"digest"', '"eigest"'],
    ['"isComplete": true', '"isComplete": 1'],
  ] as const;
  for (const [before, after] of changes) {
    expect(text).toContain(before);
    const read = (): unknown => parseManifest(text.replace(before, after), 'backup.json');
    expect(read).toThrow('backup.json is no backup that can be read: it is not what was written');
  }
});

it('refuses what is no JSON', () => {
  expect(() => parseManifest('{', '/b/backup.json')).toThrow('/b/backup.json is no backup');
});

it('takes the stores of llmos, those of later versions too, and none that are always empty', () => {
  const names = ['LLMOS_TASKS', 'KV_llmos_later', 'OBJ_llmos_packages'];
  const others = [
    'ORDERS',
    'KV_mine',
    'LLMOS_PROBE',
    'LLMOS_HIDDEN',
    'LLMOS_',
    'LLMOS_a/b',
    'xLLMOS_TASKS',
  ];
  expect([...names, ...others].filter(isOwnStream)).toEqual(names);
});

it('lets a backup into servers that are as new or newer', () => {
  const canRead = (from: string, to: string): boolean => {
    try {
      assertVersion({ from, to });
      return true;
    } catch {
      return false;
    }
  };
  expect(canRead('2.9.10', '2.9.1')).toBe(true);
  expect(canRead('2.9.10', '2.15.0')).toBe(true);
  expect(canRead('2.15.0', '3.0.0')).toBe(true);
  expect(canRead('2.10.0', '2.9.25')).toBe(false);
  expect(canRead('2.15.0', '2.10.0')).toBe(false);
  expect(canRead('3.0.0', '2.15.0')).toBe(false);
  expect(canRead('unknown', '2.9.0')).toBe(true);
});

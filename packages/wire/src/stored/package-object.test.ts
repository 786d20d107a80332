import { encodeJson } from '@llmos/base';
import { objectSubject, piecesSubject, readPackageObject } from './package-object';

const META = { nuid: 'abc', chunks: 2, size: 7, deleted: false };

it('reads where the pieces of a file lie', () => {
  expect(readPackageObject(encodeJson(META))).toEqual({ upload: 'abc', pieces: 2, size: 7 });
  expect(piecesSubject('abc')).toBe('$O.llmos_packages.C.abc');
  // Padded, as the clients of NATS write it, and with no character that a subject may not have.
  expect(objectSubject('sha256-?>ü')).toBe('$O.llmos_packages.M.c2hhMjU2LT8-w7w=');
});

it.each([
  ['was removed', { ...META, deleted: true }],
  ['names no upload', { ...META, nuid: 'a.*' }],
  ['has pieces that cannot be counted', { ...META, chunks: -1 }],
  ['is no object', [META]],
])('knows no file of a description that %s', (_, meta) => {
  expect(readPackageObject(encodeJson(meta))).toBeUndefined();
});

it('knows no file of bytes that are no JSON', () => {
  expect(readPackageObject(Buffer.from('{'))).toBeUndefined();
});

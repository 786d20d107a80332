import type { DiskLevel } from '@llmos/base';
import { LOCAL_LIMITS } from '../limits';
import { judgeDisk } from './disk-level';

const { fullBytes, shortBytes } = LOCAL_LIMITS;

it.each<[DiskLevel, number, DiskLevel]>([
  ['ample', shortBytes, 'ample'],
  ['ample', shortBytes - 1, 'short'],
  ['ample', 0, 'full'],
  ['short', shortBytes + 1, 'short'],
  ['short', shortBytes * 2, 'ample'],
  ['short', fullBytes - 1, 'full'],
  ['full', fullBytes + 1, 'full'],
  ['full', fullBytes * 2, 'short'],
  ['full', shortBytes * 2, 'ample'],
])('a disk that was %s and has %d bytes free is %s', (before, freeBytes, level) => {
  expect(judgeDisk(before, freeBytes)).toBe(level);
});

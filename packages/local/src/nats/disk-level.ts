/**
 * How much room the disk of a system has left, as a level. Pure.
 *
 * A level is left only with some room more than it is entered with, so that a disk on the edge is
 * not told of again and again.
 */
import type { DiskLevel } from '@llmos/base';
import { LOCAL_LIMITS } from '../limits';

export function judgeDisk(before: DiskLevel, freeBytes: number): DiskLevel {
  const { fullBytes, shortBytes, roomAgainFactor } = LOCAL_LIMITS;
  const isBelow = (bytes: number, isIn: boolean): boolean =>
    freeBytes < (isIn ? bytes * roomAgainFactor : bytes);
  if (isBelow(fullBytes, before === 'full')) return 'full';
  return isBelow(shortBytes, before !== 'ample') ? 'short' : 'ample';
}

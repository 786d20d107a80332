import { manualClock } from '@llmos/base/testing';
import { EDGE_LIMITS } from '../edge-limits';
import { BodyTravel } from './body-travel';

const SMALL = 100;
const LARGE = 8 * EDGE_LIMITS.readWorthBytes;

function setUp() {
  const clock = manualClock();
  const travel = new BodyTravel(clock);
  const hear = (count: number, bytes: number, isTaken: boolean): void => {
    for (let n = 0; n < count; n += 1) {
      travel.noteHeard(bytes);
      if (isTaken) travel.noteTaken(bytes);
    }
  };
  return { travel, hear, clock };
}

it('wants no bodies while nobody waits for any', () => {
  const { travel, hear } = setUp();
  expect(travel.wantsBodies()).toBe(false);
  hear(1, SMALL, false);
  expect(travel.wantsBodies()).toBe(false);
});

it('wants them while most are waited for, whatever they weigh', () => {
  const { travel, hear } = setUp();
  hear(10, LARGE, true);
  expect(travel.wantsBodies()).toBe(true);
});

it('wants small ones where few of them are waited for, and no large ones', () => {
  const small = setUp();
  small.hear(9, SMALL, false);
  small.hear(1, SMALL, true);
  expect(small.travel.wantsBodies()).toBe(true);
  const large = setUp();
  large.hear(9, LARGE, false);
  large.hear(1, LARGE, true);
  expect(large.travel.wantsBodies()).toBe(false);
});

it('wants none any more once nobody has waited for a long while', () => {
  const { travel, hear, clock } = setUp();
  hear(100, SMALL, true);
  expect(travel.wantsBodies()).toBe(true);
  clock.advance(EDGE_LIMITS.bodyTravelDwellMs);
  hear(20 * EDGE_LIMITS.bodyTravelWindow, SMALL, false);
  expect(travel.wantsBodies()).toBe(false);
});

it('keeps to what it chose while both cost nearly the same', () => {
  const bytes = EDGE_LIMITS.readWorthBytes;
  const { travel, hear, clock } = setUp();
  hear(3, bytes, true);
  hear(2, bytes, false);
  expect(travel.wantsBodies()).toBe(false);
  hear(1, bytes, true);
  expect(travel.wantsBodies()).toBe(true);
  clock.advance(EDGE_LIMITS.bodyTravelDwellMs);
  hear(3, bytes, false);
  expect(travel.wantsBodies()).toBe(true);
  hear(4, bytes, false);
  expect(travel.wantsBodies()).toBe(false);
});

it('changes six times a minute at most where calls and published tasks take turns', () => {
  const { travel, hear, clock } = setUp();
  const minutes = 5;
  let changes = 0;
  let before = travel.wantsBodies();
  for (let second = 0; second < 60 * minutes; second += 1) {
    hear(20 * EDGE_LIMITS.bodyTravelWindow, LARGE, second % 2 === 0);
    for (let look = 0; look < 2; look += 1) {
      const wants = travel.wantsBodies();
      if (wants !== before) changes += 1;
      before = wants;
      clock.advance(EDGE_LIMITS.resultLookMs);
    }
  }
  expect(changes).toBeGreaterThan(minutes);
  expect(changes).toBeLessThanOrEqual(6 * minutes);
});

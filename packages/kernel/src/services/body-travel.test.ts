import { EDGE_LIMITS } from '../edge-limits';
import { BodyTravel } from './body-travel';

const SMALL = 100;
const LARGE = 8 * EDGE_LIMITS.readWorthBytes;

function setUp() {
  const travel = new BodyTravel();
  const hear = (count: number, bytes: number, isTaken: boolean): void => {
    for (let n = 0; n < count; n += 1) {
      travel.noteHeard(bytes);
      if (isTaken) travel.noteTaken(bytes);
    }
  };
  return { travel, hear };
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
  const { travel, hear } = setUp();
  hear(100, SMALL, true);
  expect(travel.wantsBodies()).toBe(true);
  hear(20 * EDGE_LIMITS.bodyTravelWindow, SMALL, false);
  expect(travel.wantsBodies()).toBe(false);
});

it('keeps to what it chose while both cost nearly the same', () => {
  const bytes = EDGE_LIMITS.readWorthBytes;
  const { travel, hear } = setUp();
  hear(3, bytes, true);
  hear(2, bytes, false);
  expect(travel.wantsBodies()).toBe(false);
  hear(1, bytes, true);
  expect(travel.wantsBodies()).toBe(true);
  hear(3, bytes, false);
  expect(travel.wantsBodies()).toBe(true);
  hear(4, bytes, false);
  expect(travel.wantsBodies()).toBe(false);
});

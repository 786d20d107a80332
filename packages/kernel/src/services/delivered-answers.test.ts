import { WIRE_LIMITS } from '@llmos/base';
import { manualClock } from '@llmos/base/testing';
import { EDGE_LIMITS } from '../edge-limits';
import { CORE_LIMITS } from '../limits';
import { DeliveredAnswers } from './delivered-answers';

const { deliveredShare, maxAnswerDeletions } = EDGE_LIMITS;

/** Answers of 1,000 bytes each; `share` of them fit beside what is not read. */
function setUp(share: number | undefined) {
  const clock = manualClock();
  const asked: number[] = [];
  const answers: (() => void)[] = [];
  const each = 1_000 + CORE_LIMITS.storedOverheadBytes;
  const delivered = new DeliveredAnswers({
    nowMs: () => clock.nowMs(),
    capacityBytes: () => (share === undefined ? undefined : (share * each) / deliveredShare),
    forget: ({ sequence }) => {
      asked.push(sequence);
      return new Promise((resolve) => answers.push(resolve));
    },
  });
  const note = (from: number, to: number): void => {
    for (let sequence = from; sequence <= to; sequence += 1) {
      delivered.note({ stream: 'LLMOS_ANSWERS', sequence }, 1_000);
    }
  };
  const answerAll = async (): Promise<void> => {
    while (answers.length > 0) {
      answers.shift()?.();
      await Promise.resolve();
      await Promise.resolve();
    }
  };
  return { clock, delivered, asked, note, answerAll, each };
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

it('deletes the oldest delivered answers beyond their share of the store, and no others', () => {
  const { note, asked, delivered, each } = setUp(10);
  note(1, 10);
  expect(asked).toEqual([]);
  note(11, 13);
  expect(asked).toEqual([1, 2, 3]);
  expect(delivered.bytes).toBe(10 * each);
});

it('has a bounded number of deletions on their way, and goes on as they are answered', async () => {
  const { note, asked, answerAll } = setUp(10);
  note(1, 10 + 3 * maxAnswerDeletions);
  expect(asked).toEqual(range(1, maxAnswerDeletions));
  await answerAll();
  expect(asked).toEqual(range(1, 3 * maxAnswerDeletions));
});

it('deletes nothing while it does not know how large the store is', () => {
  const { note, asked } = setUp(undefined);
  note(1, 1_000);
  expect(asked).toEqual([]);
});

it('forgets those whose time is over without a request', () => {
  const { clock, note, asked, delivered, each } = setUp(10);
  note(1, 10);
  clock.advance(WIRE_LIMITS.answerMaxAgeMs);
  note(11, 12);
  expect(asked).toEqual([]);
  expect(delivered.bytes).toBe(2 * each);
});

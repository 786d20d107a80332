import { Deliveries } from './deliveries';

const delivery = (consumerSequence: number, sequence = consumerSequence) => ({
  consumerSequence,
  sequence,
});

it('takes what comes in turn, and tells that one was lost', () => {
  const deliveries = new Deliveries();
  expect([1, 2, 4].map((number) => deliveries.take(delivery(number)))).toEqual([true, true, false]);
  expect([deliveries.count, deliveries.hasAll(2), deliveries.hasAll(3)]).toEqual([2, true, false]);
});

it('goes on with a server that has forgotten its last deliveries, and with a new consumer', () => {
  const deliveries = new Deliveries();
  for (const number of [1, 2, 3]) deliveries.take(delivery(number));
  expect([deliveries.take(delivery(2)), deliveries.count]).toEqual([true, 2]);
  deliveries.restart();
  expect([deliveries.take(delivery(1)), deliveries.count]).toEqual([true, 1]);
});

it('knows what came last, and once a pull came in full, whether most of it was new', () => {
  const deliveries = new Deliveries();
  deliveries.take(delivery(1, 70));
  for (const isNew of [true, true, false]) deliveries.noteKind(isNew);
  expect(deliveries.last).toEqual({ sequence: 70, areNew: false });
  deliveries.endPull();
  expect(deliveries.last).toEqual({ sequence: 70, areNew: true });
  deliveries.noteKind(false);
  deliveries.endPull();
  expect(deliveries.last.areNew).toBe(false);
});

import { asTarget } from '@llmos/base';
import type { NodeId } from '@llmos/base';
import { FaultTable, type Failure } from './fault-table';

const RULES = {
  windowMs: 1000,
  permanentMs: 5000,
  backoff: { firstMs: 10, factor: 2, maxMs: 100 },
};
const A = 'a' as NodeId;
const B = 'b' as NodeId;
const failure = (nowMs: number, more: Partial<Failure> = {}): Failure => ({
  target: asTarget('mini@1'),
  nodeId: A,
  message: 'out of memory',
  isPermanent: false,
  hadWork: false,
  nowMs,
  ...more,
});

describe('a fault', () => {
  it('belongs to a target on a node', () => {
    const faults = new FaultTable(RULES);
    faults.fail(failure(500));
    expect(faults.active(asTarget('mini@1'), A, 500)).toMatchObject({
      failures: 1,
      message: 'out of memory',
    });
    expect(faults.active(asTarget('mini@1'), B, 500)).toBeUndefined();
    expect(faults.active(asTarget('other@1'), A, 500)).toBeUndefined();
  });

  it('lasts longer with each failure in a row, up to the bound', () => {
    const faults = new FaultTable(RULES);
    const waits: number[] = [];
    for (let nowMs = 500; waits.length < 6; nowMs = 500 + waits.length * 200) {
      waits.push(faults.fail(failure(nowMs)).untilMs - nowMs);
    }
    expect(waits).toEqual([10, 20, 40, 80, 100, 100]);
  });

  it('counts those that die together once', () => {
    const faults = new FaultTable(RULES);
    faults.fail(failure(500));
    expect(faults.fail(failure(505))).toMatchObject({ failures: 1, untilMs: 510 });
    expect(faults.fail(failure(510))).toMatchObject({ failures: 2, untilMs: 530 });
  });

  it('is remembered over a start that goes well, and forgotten a window later', () => {
    const faults = new FaultTable(RULES);
    faults.fail(failure(500));
    faults.fail(failure(600));
    faults.recover(asTarget('mini@1'), A, 605);
    expect(faults.active(asTarget('mini@1'), A, 605)).toBeUndefined();
    expect(faults.fail(failure(1_604)).failures).toBe(3);
    faults.recover(asTarget('mini@1'), A, 1_700);
    expect(faults.fail(failure(2_700)).failures).toBe(1);
  });

  it('of a death under work waits a moment and counts nothing', () => {
    const faults = new FaultTable(RULES);
    expect(faults.fail(failure(500, { hadWork: true }))).toMatchObject({
      failures: 0,
      untilMs: 510,
    });
    faults.fail(failure(600));
    expect(faults.fail(failure(700, { hadWork: true }))).toMatchObject({
      failures: 1,
      untilMs: 710,
    });
  });

  it('for good stays so, whatever else dies there, until its time is over or one gets ready', () => {
    const faults = new FaultTable(RULES);
    const permanent = { isPermanent: true, message: 'no such operator' };
    faults.fail(failure(500, permanent));
    faults.fail(failure(600));
    expect(faults.active(asTarget('mini@1'), A, 5_499)).toMatchObject({
      ...permanent,
      untilMs: 5_500,
    });
    expect(faults.active(asTarget('mini@1'), A, 5_500)).toBeUndefined();
    faults.fail(failure(6_000, permanent));
    faults.recover(asTarget('mini@1'), A, 6_001);
    expect(faults.fail(failure(6_002))).toMatchObject({ isPermanent: false });
  });

  it('for good replaces one that would pass', () => {
    const faults = new FaultTable(RULES);
    faults.fail(failure(500));
    const fault = faults.fail(failure(501, { isPermanent: true, message: 'no such operator' }));
    expect(fault).toMatchObject({ isPermanent: true, message: 'no such operator', untilMs: 5_501 });
  });

  it('goes with its node and with its target', () => {
    const faults = new FaultTable(RULES);
    faults.fail(failure(500));
    faults.fail(failure(500, { nodeId: B }));
    faults.fail(failure(500, { target: asTarget('other@1') }));
    faults.clearTarget(asTarget('mini@1'));
    expect(faults.all()).toMatchObject([{ target: 'other@1', nodeId: A }]);
    faults.clearNode(A);
    expect(faults.size).toBe(0);
  });

  it('makes room for newer ones: what has passed goes first, then the oldest', () => {
    const faults = new FaultTable(RULES, () => undefined, 2);
    faults.fail(failure(0, { target: asTarget('permanent'), isPermanent: true }));
    faults.fail(failure(0, { target: asTarget('passed') }));
    faults.fail(failure(4_000, { target: asTarget('new') }));
    expect(faults.all().map(({ target }) => target)).toEqual(['permanent', 'new']);
    faults.fail(failure(4_001, { target: asTarget('newer') }));
    expect(faults.all().map(({ target }) => target)).toEqual(['new', 'newer']);
  });
});

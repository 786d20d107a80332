import { mismatchOf } from './pattern';

describe('a pattern of expected JSON', () => {
  it.each([
    [{ ok: true }, { ok: true, output: 1 }],
    [
      [1, { a: 'b' }],
      [1, { a: 'b', more: null }],
    ],
    [{ $equals: { a: 1 } }, { a: 1 }],
    [{ $is: 'list' }, []],
    [{ $matches: '^s\\d+$' }, 's12'],
    [{ $within: [0.8, 1] }, 0.9],
    [{ $list: { length: 2, each: { $is: 'number' } } }, [1, 2]],
    [{ $some: { type: 'ORG' } }, [{ type: 'PER' }, { type: 'ORG' }]],
    [{ $starts: [1, 2] }, [1, 2, 3]],
    [{ $oneOf: ['stop', 'length'] }, 'length'],
    [{ gone: { $absent: true } }, {}],
  ])('%j matches %j', (pattern, value) => {
    expect(mismatchOf(pattern, value)).toBeUndefined();
  });

  it.each([
    [{ ok: true }, { ok: false }, '/ok is false, wanted true'],
    [{ ok: true }, null, '/ is null'],
    [[1], [1, 2], '/ has 2 items, wanted 1'],
    [{ a: [{ b: 1 }] }, { a: [{ b: 2 }] }, '/a/0/b is 2'],
    [{ $equals: { a: 1 } }, { a: 1, b: 2 }, '/ is {"a":1,"b":2}'],
    [{ $is: 'number' }, '1', '/ is "1"'],
    [{ $within: [0, 1] }, 2, 'from 0 to 1'],
    [{ $list: { each: { $is: 'number' } } }, [1, 'x'], '/1 is "x"'],
    [{ gone: { $absent: true } }, { gone: 1 }, '/gone is 1'],
  ])('%j does not match %j, and says why', (pattern, value, why) => {
    expect(mismatchOf(pattern, value)).toContain(why);
  });

  it('refuses an operator that it does not know', () => {
    expect(() => mismatchOf({ $soon: 1 }, 1)).toThrow('$soon');
  });
});

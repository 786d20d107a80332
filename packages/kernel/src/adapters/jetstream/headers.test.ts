import { headerText } from './headers';

it('makes any text safe as a header', () => {
  expect(headerText('a\r\nNats-Rollup: all\u0000', 100)).toBe('a Nats-Rollup: all');
  expect(headerText('x'.repeat(50), 10)).toBe(`${'x'.repeat(9)}…`);
});

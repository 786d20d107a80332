import { formatNatsVersion, isNatsVersionAccepted, parseNatsVersion } from './nats-version';

describe('the version of a NATS server', () => {
  it.each([
    ['nats-server: v2.9.10\n', '2.9.10'],
    ['nats-server: v2.15.1-rc.1', '2.15.1'],
    ['2.10.7', '2.10.7'],
    ['nats-server: v10.0.0+debian', '10.0.0'],
  ])('is read from %j', (text, expected) => {
    const version = parseNatsVersion(text);
    expect(version === undefined ? undefined : formatNatsVersion(version)).toBe(expected);
  });

  it.each(['', 'nats-server: vNext', '2.9', '1.2.3.4', 'gnatsd 99999.1.1'])(
    'is not found in %j',
    (text) => {
      expect(parseNatsVersion(text)).toBeUndefined();
    },
  );

  it.each([
    ['2.9.10', true],
    ['2.9.9', false],
    ['2.8.99', false],
    ['1.99.99', false],
    ['2.10.0', true],
    ['3.0.0', true],
  ])('%s is accepted: %s', (text, expected) => {
    const version = parseNatsVersion(text);
    expect(version !== undefined && isNatsVersionAccepted(version)).toBe(expected);
  });
});

import { formatAddress, isLoopbackHost, natsListener, openListeners } from './exposure';

it.each([
  ['127.0.0.1', true],
  ['127.8.4.2', true],
  ['::1', true],
  ['[::1]', true],
  ['::ffff:127.0.0.1', true],
  ['localhost', true],
  ['0.0.0.0', false],
  ['::', false],
  ['10.0.0.7', false],
  ['127.0.0.1.example', false],
  ['nats', false],
  ['', false],
])('%j is on the loopback interface: %s', (host, expected) => {
  expect(isLoopbackHost(host)).toBe(expected);
});

it('names what other machines reach without credentials, and nothing else', () => {
  expect(
    openListeners([
      { name: 'http', host: '127.0.0.1', port: 8080, isGuarded: false },
      { name: 'grpc', host: '0.0.0.0', port: 9090, isGuarded: false },
      { name: 'nats', host: 'nats.example', port: 4222, isGuarded: true },
      { name: 'nats', host: 'nats', port: 4222, isGuarded: false },
    ]),
  ).toEqual(['grpc 0.0.0.0:9090', 'nats nats:4222']);
});

it.each([
  ['127.0.0.1:4222', {}, { host: '127.0.0.1', port: 4222, isGuarded: false }],
  ['[::1]:4222', { auth_required: true }, { host: '[::1]', port: 4222, isGuarded: true }],
  ['nats:4222', { tls_verify: true }, { host: 'nats', port: 4222, isGuarded: true }],
  ['nats:4222', undefined, { host: 'nats', port: 4222, isGuarded: false }],
])('knows the NATS server at %s, which says %j', (address, info, expected) => {
  const listener = natsListener({ getServer: () => address, info });
  expect(listener).toEqual({ name: 'nats', ...expected });
});

it.each([
  ['0.0.0.0', '0.0.0.0:9090'],
  ['kernel.example', 'kernel.example:9090'],
  ['::', '[::]:9090'],
  ['[::1]', '[::1]:9090'],
])('writes %s and a port as %s', (host, expected) => {
  expect(formatAddress(host, 9090)).toBe(expected);
});

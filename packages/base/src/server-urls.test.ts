import { parseServerUrls } from './server-urls';

it('takes user and password out of the URL', () => {
  expect(parseServerUrls(['nats://u:p%40ss@h:4222', 'nats://h2:4222'])).toEqual({
    servers: ['nats://h:4222', 'nats://h2:4222'],
    isTls: false,
    user: 'u',
    pass: 'p@ss',
  });
});

it('takes a token out of the URL', () => {
  expect(parseServerUrls(['tls://t0ken@h:4222'])).toEqual({
    servers: ['tls://h:4222'],
    token: 't0ken',
    isTls: true,
  });
});

it('reads servers without a scheme and IPv6 addresses', () => {
  expect(parseServerUrls(['h:4222', 'nats://[::1]:4222'])).toEqual({
    servers: ['nats://h:4222', 'nats://[::1]:4222'],
    isTls: false,
  });
});

it('refuses what is no URL, without showing a password', () => {
  expect(() => parseServerUrls(['nats://u:secret@'])).toThrow('is no NATS URL');
  expect(() => parseServerUrls(['nats://u:secret@'])).not.toThrow('secret');
});

it('refuses credentials that are not percent-encoded, without showing them', () => {
  for (const server of ['nats://u:100%safe@h:4222', 'nats://100%safe@h']) {
    expect(() => parseServerUrls([server])).toThrow(/for server h.* is not percent-encoded/);
    expect(() => parseServerUrls([server])).not.toThrow('safe');
  }
});

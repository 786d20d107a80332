import { connect } from './client';
import type { ConnectOptions } from './connect-options';

/** Refused before anything is sent: nobody listens there. */
const servers = 'nats://127.0.0.1:1';

it.each<[unknown, string]>([
  ['nats://127.0.0.1:1', 'options are "nats://127.0.0.1:1": they must be an object'],
  [null, 'options are null'],
  [{ servers: 42 }, 'servers is 42'],
  [{ servers: [1] }, 'servers is [1]'],
  [{ servers: [] }, 'servers is []'],
  [{ servers, tenant: 'a b' }, 'tenant is "a b"'],
  [{ servers, name: 5 }, 'name is of type number: it must be a text'],
  [{ servers, pass: 5 }, 'pass is of type number: it must be a text'],
  [{ servers, inboxPrefix: 'mine' }, 'inboxPrefix is "mine"'],
  [{ servers, signal: new AbortController() }, 'signal is {}'],
  [{ servers, timeoutMs: -1 }, 'timeoutMs is -1'],
  [{ servers, credentialsFile: '/nowhere/a' }, 'the credentials file "/nowhere/a" can\'t be read'],
  [{ servers, tls: { caFile: '/nowhere/b' } }, 'tls.caFile "/nowhere/b" can\'t be read'],
])('refuses to connect with %j and names the value', async (options, message) => {
  await expect(connect(options as ConnectOptions)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining(message) as string,
  });
});

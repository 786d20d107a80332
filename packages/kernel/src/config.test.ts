import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readKernelConfig } from './config';
import { KERNEL_VERSION } from './version';

it('has a default for every setting', () => {
  const config = readKernelConfig({});
  expect(config).toMatchObject({
    servers: ['nats://127.0.0.1:4222'],
    logLevel: 'info',
    httpHost: '127.0.0.1',
    httpPort: 0,
    leaseMs: 5_000,
    nodeLeaseMs: 5_000,
    faultDropRate: 0,
  });
  expect(config.kernelId).toMatch(/^kernel-[0-9a-f]{8}$/);
});

it.each([
  ['LLMOS_SERVERS', 'http://a b'],
  ['LLMOS_LOG_LEVEL', 'loud'],
  ['LLMOS_HTTP_PORT', '70000'],
  ['LLMOS_LEASE_MS', '5s'],
  ['LLMOS_KERNEL_ID', 'a.b'],
  ['LLMOS_FAULT_DROP_RATE', '1'],
])('refuses %s=%s, naming both', (name, value) => {
  const read = (): unknown => readKernelConfig({ [name]: value });
  expect(read).toThrow(name);
  expect(read).toThrow(value);
});

it('shows the version of its package', () => {
  const text = readFileSync(join(__dirname, '../package.json'), 'utf8');
  expect(JSON.parse(text)).toMatchObject({ version: KERNEL_VERSION });
});

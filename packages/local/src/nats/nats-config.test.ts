import { formatNatsConfig } from './nats-config';

it('listens on the loopback interface only, with JetStream below the given folder', () => {
  const text = formatNatsConfig({ port: 4333, storeFolder: '/data/my "store"\\x', storeBytes: 7 });
  expect(text).toContain('host: "127.0.0.1"');
  expect(text).toContain('port: 4333');
  expect(text).toContain('max_file_store: 7\n');
  expect(text).toContain('store_dir: "/data/my \\"store\\"\\\\x"');
});

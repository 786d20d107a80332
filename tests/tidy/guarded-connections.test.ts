/** Nothing foreign reaches a program but through its guard (wire's message-guard.ts, publish-guard.ts). */
import { filesBelow, isTestFile } from './source-files';

/** A command hears its server alone, and ends where something can't be read. */
const ONE_SHOT = 'packages/cli/src/adapters/jetstream/nats-stream-server.ts';

const sources = filesBelow('packages', ['.ts']).filter(
  (file) => file.path.includes('/src/') && !isTestFile(file.path) && file.path !== ONE_SHOT,
);

function namesOf(pattern: RegExp): readonly string[] {
  return sources.filter((file) => pattern.test(file.text)).map((file) => file.path);
}

it('guards every connection to NATS where it is opened', () => {
  const opened = namesOf(/import \{[^}]*\bconnect\b[^}]*\} from '(?:nats|@llmos\/wire)'/);
  expect([...opened].sort()).toEqual([
    'packages/sdk/src/adapters/nats/nats-connect.ts',
    'packages/wire/src/link/connection.ts',
  ]);
  expect(namesOf(/\bguardMessages\(/)).toContain('packages/wire/src/link/connection.ts');
  expect(namesOf(/\bguardPublishes\(connection/)).toContain('packages/wire/src/link/connection.ts');
  // The client's link guards its own, and says to its callers what can't be sent.
  expect(namesOf(/\bguardMessages\(/)).toContain(
    'packages/sdk/src/adapters/nats/nats-message-link.ts',
  );
});

it('reads nothing by what the client decodes or publishes by itself, behind no guard', () => {
  expect(namesOf(/\bKvEntry\b|\bKvWatchOptions\b/)).toEqual([]);
  expect(namesOf(/\.respond\(/)).toEqual([]);
  expect(namesOf(/\bbucket\.(watch|get|keys|history|create)\(/)).toEqual([]);
  expect(namesOf(/buckets\.\w+\.(watch|get|keys|history|create)\(/)).toEqual([]);
  expect(namesOf(/\bjetstream\.(subscribe|pullSubscribe|fetch|consumers)\b/)).toEqual([]);
});

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
  // No other package can: the door of wire (nats.ts) does not hand `connect` on.
  const opened = sources.filter((file) =>
    /import \{[^}]*\bconnect\b[^}]*\} from 'nats'/.test(file.text),
  );
  expect(opened.map((file) => file.path)).toEqual(['packages/wire/src/link/connection.ts']);
  const [text = ''] = opened.map((file) => file.text);
  expect(text.match(/await connect\(/g)).toHaveLength(2);
  expect(text.match(/\bguardMessages\(connection/g)).toHaveLength(2);
  expect(text.match(/\bguardPublishes\(connection/g)).toHaveLength(1);
  expect(namesOf(/\bconnect,$/m).filter((path) => path.endsWith('wire/src/nats.ts'))).toEqual([]);
});

it('reads nothing by what the client decodes or publishes by itself, behind no guard', () => {
  expect(namesOf(/\bKvEntry\b|\bKvWatchOptions\b/)).toEqual([]);
  expect(namesOf(/\.respond\(/)).toEqual([]);
  expect(namesOf(/\bbucket\.(watch|get|keys|history|create)\(/)).toEqual([]);
  expect(namesOf(/buckets\.\w+\.(watch|get|keys|history|create)\(/)).toEqual([]);
  expect(namesOf(/\bjetstream\.(subscribe|pullSubscribe|fetch|consumers)\b/)).toEqual([]);
});

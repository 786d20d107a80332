import type { LinkNews } from './link-status';
import { followLink } from './link-status';

type Statuses = ReturnType<Parameters<typeof followLink>[0]['status']>;

const STATUSES = [
  { type: 'disconnect' },
  { type: 'reconnect' },
  { type: 'error', permissionContext: { operation: 'publish', subject: 'a' } },
];

async function follow(news: LinkNews): Promise<void> {
  async function* tell(): Statuses {
    for (const status of STATUSES) yield await Promise.resolve(status);
  }
  await followLink({ status: tell }, news)();
}

function hearing(answer: (what: string) => unknown) {
  const heard: string[] = [];
  const failed: unknown[] = [];
  const hear = (what: string): unknown => {
    heard.push(what);
    return answer(what);
  };
  const news: LinkNews = {
    onStatus: (type) => hear(type),
    onDisconnected: () => hear('is gone'),
    onReconnected: () => hear('is back'),
    onDenied: (subject, operation) => hear(`${operation} to ${subject} denied`),
    onFailed: (error) => failed.push(error),
  };
  return { heard, failed, news };
}

const ALL = [
  ...['disconnect', 'is gone', 'reconnect', 'is back'],
  ...['error', 'publish to a denied'],
];

it.each([
  [
    'throws',
    (what: string): unknown => {
      throw new Error(what);
    },
  ],
  ['rejects', (what: string): unknown => Promise.reject(new Error(what))],
])('tells all of it though each callback %s, and tells of that', async (_how, answer) => {
  const { heard, failed, news } = hearing(answer);
  await follow(news);
  expect(heard).toEqual(ALL);
  await new Promise(setImmediate);
  expect(failed).toEqual(ALL.map((what) => new Error(what)));
});

it('ends nothing where nobody hears of failures', async () => {
  let isBack = false;
  await follow({
    onDisconnected: () => {
      throw new Error('is gone');
    },
    onReconnected: () => (isBack = true),
  });
  expect(isBack).toBe(true);
});

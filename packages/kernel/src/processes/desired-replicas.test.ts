import type { Target } from '@llmos/base';
import { asTarget, parseTarget } from '@llmos/base';
import { DesiredReplicas } from './desired-replicas';

/** Names without a version mean version `newest`; every resolution is counted. */
function setUp() {
  const catalog = {
    newest: '1',
    resolved: 0,
    resolveTarget(text: string): Target | undefined {
      catalog.resolved += 1;
      if (text.startsWith('gone')) return undefined;
      return parseTarget(text.includes('@') ? text : `${text}@${catalog.newest}`);
    },
  };
  return { catalog, desired: new DesiredReplicas(catalog) };
}

it('gives a target the most that any of its names asks for', () => {
  const { desired } = setUp();
  desired.replace('b', 1);
  desired.replace('a@1', 2);
  desired.replace('a', 3);
  desired.replace('gone', 4);
  expect(desired.targets()).toEqual(['a@1', 'b@1']);
  expect(['a@1', 'b@1', 'c@1'].map((target) => desired.of(asTarget(target)))).toEqual([3, 1, 0]);
  expect(desired.replace('a', 0)).toBe(3);
  expect(desired.of(asTarget('a@1'))).toBe(2);
});

it('follows a name to the version that is the newest now', () => {
  const { catalog, desired } = setUp();
  desired.replace('a', 2);
  expect(desired.of(asTarget('a@1'))).toBe(2);
  catalog.newest = '2';
  desired.follow({ kind: 'model', name: 'a', target: asTarget('a@2') });
  expect([desired.of(asTarget('a@1')), desired.of(asTarget('a@2'))]).toEqual([0, 2]);
});

it('resolves each name once, however many targets are asked for', () => {
  const { catalog, desired } = setUp();
  for (let at = 0; at < 500; at += 1) desired.replace(`m${at}`, 1);
  for (const target of desired.targets()) expect(desired.of(asTarget(target))).toBe(1);
  expect(catalog.resolved).toBe(500);
});

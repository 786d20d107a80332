/** docs/logs.md lists every event that a program logs, with its program and level, and no other. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { repositoryFolder } from '../support/shared-folder';
import type { SourceFile } from './source-files';
import { filesBelow, isTestFile, parse } from './source-files';

const PROGRAMS = {
  kernel: ['base', 'wire', 'kernel'],
  worker: ['base', 'wire', 'worker', 'process'],
} as const;
const LEVELS: ReadonlySet<string> = new Set(['debug', 'info', 'warn', 'error']);

/** `event program level`, with … for what is filled in; one chosen at run time `varies`. */
function loggedIn(program: keyof typeof PROGRAMS): string[] {
  return PROGRAMS[program]
    .flatMap((name) => filesBelow(`packages/${name}/src`, ['.ts']))
    .filter((file) => !isTestFile(file.path))
    .flatMap((file) => logCalls(file).map(({ event, level }) => `${event} ${program} ${level}`));
}

function logCalls(file: SourceFile): { readonly event: string; readonly level: string }[] {
  const found: { event: string; level: string }[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node)) {
      const level = levelOf(node.expression);
      const event = node.arguments[0] === undefined ? undefined : textOf(node.arguments[0]);
      if (level !== undefined && event !== undefined) found.push({ event, level });
    }
    ts.forEachChild(node, visit);
  };
  visit(parse(file));
  return found;
}

/** Undefined where it is no call of a logger. */
function levelOf(callee: ts.Expression): string | undefined {
  if (!ts.isPropertyAccessExpression(callee) && !ts.isElementAccessExpression(callee)) {
    return undefined;
  }
  if (!/(^|\.)log$/.test(callee.expression.getText())) return undefined;
  if (ts.isElementAccessExpression(callee)) return 'varies';
  return LEVELS.has(callee.name.text) ? callee.name.text : undefined;
}

function textOf(argument: ts.Expression): string | undefined {
  if (ts.isStringLiteralLike(argument)) return argument.text;
  if (!ts.isTemplateExpression(argument)) return undefined;
  const rest = argument.templateSpans.map((span) => `…${span.literal.text}`);
  return argument.head.text + rest.join('');
}

it('documents the events of both programs, and no others', () => {
  const text = readFileSync(join(repositoryFolder, 'docs/logs.md'), 'utf8');
  const rows = [...text.matchAll(/^\| `(\S+)` +\| (\w+) +\| (\w+) +\| (\S.*?) *\|$/gm)];
  const documented = rows.map(([, ...cells]) => cells.slice(0, 3).join(' '));
  const logged = new Set([...loggedIn('kernel'), ...loggedIn('worker')]);
  expect(new Set(documented)).toEqual(logged);
  expect(documented).toHaveLength(logged.size);
});

it('names events in kebab-case, without values in them', () => {
  const names = [...loggedIn('kernel'), ...loggedIn('worker')].map((row) => row.split(' ')[0]);
  for (const name of names) expect(name).toMatch(/^(…|[a-z]+)(-(…|[a-z]+))*$/);
});

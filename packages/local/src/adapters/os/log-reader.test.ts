import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatLogLine } from '../../programs/log-line';
import { LogReader, listLogs } from './log-reader';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'llmos-logs-'));
  mkdirSync(join(folder, 'logs'));
  file = join(folder, 'logs', 'kernel-1.log');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('answers the last lines, then whole lines as they come', () => {
  writeFileSync(file, 'one\ntwo\nthree\n');
  const reader = new LogReader(folder, 'kernel-1');
  expect(reader.readLast(2)).toEqual(['two', 'three']);
  appendFileSync(file, 'four\nfi');
  expect(reader.read()).toEqual(['four']);
  appendFileSync(file, 've\n');
  expect(reader.read()).toEqual(['five']);
});

it('goes on at the start of a log that was moved away', () => {
  writeFileSync(file, 'a long line that was there\n');
  const reader = new LogReader(folder, 'kernel-1');
  expect(reader.readLast(0)).toEqual([]);
  truncateSync(file);
  appendFileSync(file, 'new\n');
  expect(reader.read()).toEqual(['new']);
});

it('lists the programs that have a log, and none where there is no folder', () => {
  writeFileSync(file, '');
  writeFileSync(join(folder, 'logs', 'kernel-1.log.1'), '');
  expect(listLogs(folder)).toEqual(['kernel-1']);
  expect(listLogs(join(folder, 'nowhere'))).toEqual([]);
});

it('shows a structured line by its event, and any other as it is', () => {
  const line = { level: 'warn', time: 1, event: 'node-lost', node: 'n1', error: { message: 'x' } };
  expect(formatLogLine(JSON.stringify(line))).toBe('warn node-lost node=n1 error=x');
  expect(formatLogLine('[7] [INF] Server is ready')).toBe('[7] [INF] Server is ready');
  const ofHost = { level: 'info', event: 'model-loaded', pid: 'p1-3' };
  expect(formatLogLine(`[p1-3] ${JSON.stringify(ofHost)}`)).toBe('info model-loaded pid=p1-3');
  expect(formatLogLine('[p1-3] {no JSON')).toBe('[p1-3] {no JSON');
});

import { createStyle, widthOf } from './style';
import { formatOutput } from './function-output';
import type { ProcessRow } from '@llmos/base';
import { Terminal } from './terminal';
import { describeWait } from './waiting';
import { formatTable, safeLine, safeText } from './table';
import { bar, formatBytes, formatMs } from './units';
import { wrapWords } from './wrap';

const plain = createStyle({ isTerminal: false, env: {} });
const colored = createStyle({ isTerminal: true, env: {} });

describe('colours', () => {
  it('are left out for pipes, NO_COLOR and dumb terminals', () => {
    expect(colored.red('x')).toBe('\u001b[31mx\u001b[39m');
    expect(plain.red('x')).toBe('x');
    expect(createStyle({ isTerminal: true, env: { NO_COLOR: '1' } }).red('x')).toBe('x');
    expect(createStyle({ isTerminal: true, env: { TERM: 'dumb' } }).red('x')).toBe('x');
  });

  it('take no width', () => {
    expect(widthOf(colored.bold(colored.red('ab')))).toBe(2);
  });
});

describe('texts', () => {
  it('are as wide as a terminal shows them', () => {
    expect(widthOf('déjà')).toBe(4);
    expect(widthOf('e\u0301')).toBe(1);
    expect(widthOf('日本語')).toBe(6);
    expect(widthOf('🎉!')).toBe(3);
    expect(widthOf('█░…–')).toBe(4);
  });

  it('are broken between words where a line is full', () => {
    expect(wrapWords('a bb ccc dddddddd e', 6)).toEqual(['a bb', 'ccc', 'dddddddd', 'e']);
    expect(wrapWords('', 6)).toEqual(['']);
  });
});

describe('tables', () => {
  it('align their columns', () => {
    const rows = [
      { name: 'a', size: 5 },
      { name: 'long name', size: 12345 },
    ];
    const table = formatTable<(typeof rows)[number]>(
      [
        { title: 'NAME', cell: (row) => row.name },
        { title: 'SIZE', align: 'right', cell: (row) => String(row.size) },
      ],
      rows,
      plain,
    );
    expect(table.split('\n')).toEqual(['NAME        SIZE', 'a              5', 'long name  12345']);
  });

  it('show control characters of foreign names instead of obeying them', () => {
    expect(safeLine('a\u001b[2Jb\nc')).toBe('a\ufffd[2Jb\ufffdc');
    expect(safeLine(colored.red('x'))).toBe(colored.red('x'));
    expect(safeText('a\nb\u001b[31m')).toBe('a\nb\ufffd[31m');
  });
});

it('puts no colours into a file of errors, whatever the answer is written to', () => {
  let err = '';
  const file = { write: (text: string) => (err += text) };
  const screen = { isTTY: true, write: () => undefined };
  const terminal = new Terminal({ out: screen, err: file, env: {}, isJson: false });
  terminal.error(terminal.style.red('error: x'));
  terminal.note(terminal.style.dim('y'));
  expect(err).toBe('error: x\ny\n');
});

describe('a text that comes in pieces', () => {
  it('has its line ended once, also where it breaks off', () => {
    let out = '';
    const stream = { write: (text: string) => (out += text) };
    const terminal = new Terminal({ out: stream, err: stream, env: {}, isJson: false });
    terminal.endLine();
    terminal.write('Once');
    terminal.write('');
    terminal.endLine();
    terminal.endLine();
    terminal.write('upon\n');
    terminal.endLine();
    expect(out).toBe('Once\nupon\n');
  });
});

describe('what is waited for', () => {
  const starting = { state: 'starting', model: 'tale@1', node: 'n1' } as ProcessRow;
  it('is the model that is being loaded, else the function', () => {
    expect(describeWait('generate', [starting], 1_500)).toBe('loading tale@1 on n1, 1.5 s');
    expect(describeWait('generate', [], 1_500)).toBe('waiting for generate, 1.5 s');
  });

  it('is told on a terminal only, as a line that goes away again', () => {
    let err = '';
    const stream = { isTTY: true, columns: 80, write: (text: string) => (err += text) };
    const parts = { out: stream, err: stream, env: { NO_COLOR: '1' } };
    const terminal = new Terminal({ ...parts, isJson: false });
    terminal.progressBar(0.5, 'storing');
    terminal.progressBar(0.501, 'storing');
    terminal.endProgress();
    expect(err).toBe(`${bar(0.5, 24)}  50 %  storing\r\u001b[2K`);
    err = '';
    new Terminal({ ...parts, isJson: true }).progressBar(0.5, 'storing');
    expect(err).toBe('');
  });
});

describe('numbers', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1536, '1.5 KiB'],
    [12 * 1024 * 1024, '12 MiB'],
    [3.2 * 1024 ** 4, '3.2 TiB'],
  ])('%d bytes are %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  it.each([
    [4.21, '4.2 ms'],
    [450.4, '450 ms'],
    [1_234, '1.2 s'],
    [180_000, '3 min'],
  ])('%d ms are %s', (ms, text) => expect(formatMs(ms)).toBe(text));

  it('draw as bars within their width', () => {
    expect(bar(0.5, 4)).toBe('██░░');
    expect(bar(7, 4)).toBe('████');
    expect(bar(-1, 4)).toBe('░░░░');
  });
});

describe('the output of a function', () => {
  it('is a text for generate, and a table for labels and entities', () => {
    expect(formatOutput('generate', { text: 'Once' }, plain)).toBe('Once');
    const labels = { labels: [[{ label: 'a', score: 0.25 }], [{ label: 'b', score: 1 }]] };
    expect(formatOutput('classify', labels, plain)).toMatch(/a +0\.250[^]*\n\n[^]*b +1\.000/);
    const entities = { entities: [{ type: 'ORG', text: 'Acme', start: 1, end: 5, score: 1 }] };
    expect(formatOutput('extract', entities, plain)).toMatch(/ORG +Acme +1–5 +1\.000/);
    expect(formatOutput('extract', { entities: [] }, plain)).toBe('no entities');
  });

  it('is JSON for whatever has not the expected form', () => {
    expect(formatOutput('classify', { labels: [{ label: 1 }] }, plain)).toContain('"label": 1');
    expect(formatOutput('mine', [1], plain)).toBe('[\n  1\n]');
  });
});

/** The files of the tree that are ours to keep tidy, read once. */
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import ts from 'typescript';
import { repositoryFolder } from '../support/shared-folder';

export interface SourceFile {
  /** Relative to the repository, with `/`. */
  readonly path: string;
  readonly text: string;
}

const SKIPPED_FOLDERS = new Set(['node_modules', 'dist', '.git', '.cache', 'coverage', 'gen']);

/** Every file below a folder of the repository whose name ends in one of the extensions. */
export function filesBelow(folder: string, extensions: readonly string[]): SourceFile[] {
  const found: SourceFile[] = [];
  const visit = (at: string): void => {
    for (const entry of readdirSync(at, { withFileTypes: true })) {
      const path = join(at, entry.name);
      if (entry.isDirectory() && !SKIPPED_FOLDERS.has(entry.name)) visit(path);
      if (entry.isFile() && extensions.some((extension) => entry.name.endsWith(extension))) {
        const name = relative(repositoryFolder, path).split('\\').join('/');
        found.push({ path: name, text: readFileSync(path, 'utf8') });
      }
    }
  };
  visit(join(repositoryFolder, folder));
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

export function isTestFile(path: string): boolean {
  return path.startsWith('tests/') || path.endsWith('.test.ts');
}

export function parse(file: SourceFile): ts.SourceFile {
  return ts.createSourceFile(file.path, file.text, ts.ScriptTarget.ES2023, true);
}

/** Every module that a file names: import, export from, import type, require and import(). */
export function importsOf(file: SourceFile): string[] {
  const names: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
      const from = node.moduleSpecifier;
      if (from !== undefined && ts.isStringLiteral(from)) names.push(from.text);
    } else if (ts.isImportTypeNode(node)) {
      const { argument } = node;
      if (ts.isLiteralTypeNode(argument) && ts.isStringLiteral(argument.literal)) {
        names.push(argument.literal.text);
      }
    } else if (ts.isCallExpression(node)) {
      const [first] = node.arguments;
      const isLoad =
        node.expression.kind === ts.SyntaxKind.ImportKeyword ||
        node.expression.getText() === 'require';
      if (isLoad && first !== undefined && ts.isStringLiteral(first)) names.push(first.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(parse(file));
  return names;
}

export interface FunctionLength {
  readonly name: string;
  readonly line: number;
  readonly lines: number;
}

/** Every function body with its length, nested ones on their own as well. */
export function functionsOf(file: SourceFile): FunctionLength[] {
  const source = parse(file);
  const found: FunctionLength[] = [];
  const lineAt = (position: number): number => source.getLineAndCharacterOfPosition(position).line;
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
      const line = lineAt(node.getStart());
      const name = node.name?.getText() ?? 'anonymous';
      found.push({ name, line: line + 1, lines: lineAt(node.end) - line + 1 });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** The names that a file declares: types, classes, functions, and top-level values. */
export function declaredNamesOf(file: SourceFile): string[] {
  const names: string[] = [];
  const visit = (node: ts.Node): void => {
    const isDeclaration =
      ts.isClassDeclaration(node) ||
      ts.isInterfaceDeclaration(node) ||
      ts.isTypeAliasDeclaration(node) ||
      ts.isFunctionDeclaration(node) ||
      ts.isEnumDeclaration(node) ||
      ts.isVariableDeclaration(node);
    if (isDeclaration && node.name !== undefined && ts.isIdentifier(node.name)) {
      names.push(node.name.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(parse(file));
  return names;
}

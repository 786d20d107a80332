/** The lists among the system calls: the order of each, which is that of its pages. */
import type { FunctionDefinition, ModelRegistration, NodeRow, ProcessRow } from '@llmos/base';
import type { PageRequest, Paged } from '@llmos/base';
import { formatModelRef } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import type { Page, PageKey } from './pages';
import { choosePage, comparePageKeys } from './pages';
import { BUILT_IN_NAMES } from './registry';

/** Begun first, listed first: a process keeps its place when it ends. */
export function pageOfProcesses(
  processes: readonly ProcessRow[],
  request: PageRequest,
  maxAnswerBytes: number,
): Paged<{ processes: readonly ProcessRow[] }> {
  const keyed = inOrder(processes, processKey);
  const list = { call: 'ps', rows: keyed, keyOf: keyIn, shownAs: rowIn<ProcessRow> };
  const { rows, ...next } = choosePage(list, request, maxAnswerBytes);
  return { processes: rows.map(rowIn), ...next };
}

/** @param nodes by their ids. */
export function pageOfNodes(
  nodes: readonly NodeRow[],
  request: PageRequest,
  maxAnswerBytes: number,
): Paged<{ nodes: readonly NodeRow[] }> {
  const list = { call: 'nodes', rows: nodes, keyOf: (row: NodeRow) => [row.node] };
  const { rows, ...next } = choosePage(list, request, maxAnswerBytes);
  return { nodes: rows, ...next };
}

/** @param models by name, then by age. */
export function pageOfModels(
  models: readonly ModelRegistration[],
  request: PageRequest,
  maxAnswerBytes: number,
): Paged<{ models: readonly ModelRegistration[] }> {
  const list = { call: 'models', rows: models, keyOf: modelKey };
  const { rows, ...next } = choosePage(list, request, maxAnswerBytes);
  return { models: rows, ...next };
}

/** The versions that one `model-remove` takes. @param chosen as `pageOfModels`. */
export function pageOfRemovals(
  chosen: readonly ModelRegistration[],
  request: PageRequest,
): Page<ModelRegistration> {
  const list = { call: 'model-remove', rows: chosen, keyOf: modelKey, shownAs: formatModelRef };
  const pageSize = Math.min(request.pageSize ?? Infinity, EDGE_LIMITS.maxRemovedAtOnce);
  return choosePage(list, { ...request, pageSize }, EDGE_LIMITS.pageBytes);
}

/** Those that are built in come first, in their own order. */
export function pageOfFunctions(
  functions: readonly FunctionDefinition[],
  request: PageRequest,
  maxAnswerBytes: number,
): Paged<{ functions: readonly FunctionDefinition[] }> {
  const keyed = inOrder(functions, functionKey);
  const list = { call: 'functions', rows: keyed, keyOf: keyIn, shownAs: rowIn<FunctionDefinition> };
  const { rows, ...next } = choosePage(list, request, maxAnswerBytes);
  return { functions: rows.map(rowIn), ...next };
}

interface Keyed<Row> {
  readonly row: Row;
  readonly key: PageKey;
}

function inOrder<Row>(rows: readonly Row[], keyOf: (row: Row) => PageKey): Keyed<Row>[] {
  return rows
    .map((row) => ({ row, key: keyOf(row) }))
    .sort((a, b) => comparePageKeys(a.key, b.key));
}

function keyIn({ key }: Keyed<unknown>): PageKey {
  return key;
}

function rowIn<Row>({ row }: Keyed<Row>): Row {
  return row;
}

function modelKey({ name, addedWallMs, version }: ModelRegistration): PageKey {
  return [name, addedWallMs, version];
}

function functionKey({ name }: FunctionDefinition): PageKey {
  const place = BUILT_IN_NAMES.indexOf(name);
  return place < 0 ? [BUILT_IN_NAMES.length, name] : [place, name];
}

/** `p<epoch>-<number>`; an id that an agent has made up comes after those. */
function processKey({ pid, state, incarnation }: ProcessRow): PageKey {
  const more = [pid, state === 'exited' ? 1 : 0, incarnation];
  const numbers = /^p(\d{1,15})-(\d{1,15})$/.exec(pid);
  return numbers === null ? more : [Number(numbers[1]), Number(numbers[2]), ...more];
}

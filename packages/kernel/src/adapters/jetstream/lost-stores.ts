/** Refuses to begin anew where a system has existed, and to go on where it is misread. Pure. */
import type { StoreBehind } from '@llmos/base';
import { LlmosError, describeBehind } from '@llmos/base';
import type { Budgets } from './store-budgets';

export interface LostLook {
  /** Of the stores that are there; only names count. */
  readonly existing: ReadonlyMap<string, unknown>;
  readonly missing: readonly { readonly config: { readonly name: string } }[];
  /** Those that have existed, with the budgets that are known. */
  readonly existed: Budgets;
  /** Given up on purpose. */
  readonly makeAnew: readonly string[];
}

/**
 * Throws FAILED_PRECONDITION that names every store that has existed and is missing, the bytes that
 * they reserve, and the ways out.
 */
export function assertNoneLost(look: LostLook): void {
  const names = look.missing.map(({ config }) => config.name);
  const lost = names.filter((name) => look.existed.has(name) && !look.makeAnew.includes(name));
  if (lost.length === 0) return;
  const missingBytes = lost.reduce((sum, name) => sum + (look.existed.get(name) ?? 0), 0);
  const size = missingBytes === 0 ? '' : `, which reserve ${mebibytes(missingBytes)}`;
  throw new LlmosError(
    'FAILED_PRECONDITION',
    `missing at the NATS server: ${lost.map((name) => show(name, look.existed)).join(', ')}${size}. ` +
      'This system had them, so they are not made anew. ' +
      'A server leaves out what it has no room for when it starts: raise its max_file_store, or make ' +
      'room on its disk, and restart it; or restore a backup. To go on without what they held: ' +
      `LLMOS_MAKE_ANEW=${lost.join(',')}`,
    { details: { missing: lost, missingBytes } },
  );
}

/** Throws FAILED_PRECONDITION that names the stores whose messages are gone, and the ways out. */
export function assertNoneBehind(behind: readonly StoreBehind[]): void {
  if (behind.length === 0) return;
  const names = behind.map(({ name }) => name);
  throw new LlmosError(
    'FAILED_PRECONDITION',
    `messages of this system are gone: ${behind.map(describeBehind).join('; ')}. Nothing was ` +
      'changed: stop the NATS server and put back the files that were removed or replaced, or ' +
      `restore a backup. To go on with what is left: LLMOS_MAKE_ANEW=${names.join(',')}`,
    { details: { behind: behind.map((store) => ({ ...store })) } },
  );
}

/**
 * From 2.10 on, a server marks removed messages by the highest bit but one of their numbers. An
 * older one takes the marks for numbers: its streams begin there, and what waits before that is
 * never delivered.
 */
const MARK = 2 ** 62;

/** Throws FAILED_PRECONDITION that names the stores that this server reads wrongly. */
export function assertNoneMisread(
  existing: ReadonlyMap<string, { readonly firstSequence: number }>,
  serverVersion: string | undefined,
): void {
  const misread = [...existing].filter(([, { firstSequence }]) => firstSequence >= MARK);
  if (misread.length === 0) return;
  const names = misread.map(([name]) => name);
  throw new LlmosError(
    'FAILED_PRECONDITION',
    `NATS ${serverVersion ?? '(of an unknown version)'} misreads ${names.join(', ')}: a newer ` +
      'server wrote it, and what waits there would be lost. Nothing was changed: start NATS 2.10 ' +
      'or newer on the same files',
    { details: { misread: names } },
  );
}

function show(name: string, existed: Budgets): string {
  const bytes = existed.get(name) ?? 0;
  return bytes === 0 ? name : `${name} (${mebibytes(bytes)})`;
}

/** Rounded up: what is asked for must suffice. */
export function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}

/**
 * Patterns of expected JSON. A plain object must be contained (more fields may follow, as readers
 * must allow); a list must match item by item; anything else must be equal. One-key objects whose
 * key begins with `$` say more: see OPERATORS.
 */
import { isDeepStrictEqual } from 'node:util';

/** Undefined where the value matches, else what differs and where. */
export function mismatchOf(pattern: unknown, value: unknown, at = ''): string | undefined {
  const operator = operatorOf(pattern);
  if (operator !== undefined) return operator.check(operator.argument, value, at);
  if (Array.isArray(pattern)) return mismatchOfList(pattern, value, at);
  if (isObject(pattern)) return mismatchOfObject(pattern, value, at);
  return isDeepStrictEqual(pattern, value) ? undefined : differs(at, pattern, value);
}

type Check = (argument: unknown, value: unknown, at: string) => string | undefined;

const OPERATORS: Readonly<Record<string, Check>> = {
  /** `{"$is": "number"}`: string, number, boolean, list or object. */
  $is: (kind, value, at) => (kindOf(value) === kind ? undefined : differs(at, kind, value)),
  /** `{"$equals": value}`: exactly this, without more fields. */
  $equals: (wanted, value, at) =>
    isDeepStrictEqual(wanted, value) ? undefined : differs(at, wanted, value),
  /** `{"$matches": "regular expression"}`. */
  $matches: (source, value, at) =>
    typeof value === 'string' && new RegExp(String(source)).test(value)
      ? undefined
      : differs(at, `text that matches ${String(source)}`, value),
  /** `{"$within": [least, most]}`. */
  $within: (range, value, at) => {
    const [least, most] = range as [number, number];
    const isWithin = typeof value === 'number' && value >= least && value <= most;
    return isWithin ? undefined : differs(at, `a number from ${least} to ${most}`, value);
  },
  /** `{"$list": {"length": n, "each": pattern}}`; both may be left out. */
  $list: (of, value, at) => {
    const { length, each } = of as { length?: number; each?: unknown };
    if (!Array.isArray(value)) return differs(at, 'a list', value);
    if (length !== undefined && value.length !== length) {
      return `${at || '/'} has ${value.length} items, wanted ${length}`;
    }
    return each === undefined
      ? undefined
      : first(
          value.map((item, n) => [each, item, n]),
          at,
        );
  },
  /** `{"$some": pattern}`: at least one item matches. */
  $some: (wanted, value, at) =>
    Array.isArray(value) && value.some((item) => mismatchOf(wanted, item) === undefined)
      ? undefined
      : differs(at, { $some: wanted }, value),
  /** `{"$starts": [patterns]}`: the first items of a list. */
  $starts: (wanted, value, at) => {
    if (!Array.isArray(value)) return differs(at, 'a list', value);
    return first(
      (wanted as unknown[]).map((item, n) => [item, value[n], n]),
      at,
    );
  },
  /** `{"$oneOf": [patterns]}`. */
  $oneOf: (patterns, value, at) =>
    (patterns as unknown[]).some((pattern) => mismatchOf(pattern, value) === undefined)
      ? undefined
      : differs(at, { $oneOf: patterns }, value),
  /** `{"$absent": true}`: the field is not there. */
  $absent: (_argument, value, at) =>
    value === undefined ? undefined : differs(at, 'nothing', value),
};

function operatorOf(pattern: unknown): { check: Check; argument: unknown } | undefined {
  if (!isObject(pattern)) return undefined;
  const [[name, argument] = ['', undefined], ...more] = Object.entries(pattern);
  if (!name.startsWith('$') || more.length > 0) return undefined;
  const check = OPERATORS[name];
  if (check === undefined) throw new Error(`a pattern has no operator ${name}`);
  return { check, argument };
}

function mismatchOfList(pattern: readonly unknown[], value: unknown, at: string) {
  if (!Array.isArray(value)) return differs(at, pattern, value);
  if (value.length !== pattern.length) {
    return `${at || '/'} has ${value.length} items, wanted ${pattern.length}`;
  }
  return first(
    pattern.map((item, n) => [item, value[n], n]),
    at,
  );
}

function mismatchOfObject(pattern: object, value: unknown, at: string): string | undefined {
  if (!isObject(value)) return differs(at, pattern, value);
  return first(
    Object.entries(pattern).map(([name, wanted]) => [wanted, value[name], name]),
    at,
  );
}

function first(
  pairs: readonly (readonly [pattern: unknown, value: unknown, key: string | number])[],
  at: string,
): string | undefined {
  for (const [pattern, value, key] of pairs) {
    const mismatch = mismatchOf(pattern, value, `${at}/${key}`);
    if (mismatch !== undefined) return mismatch;
  }
  return undefined;
}

function differs(at: string, wanted: unknown, value: unknown): string {
  return `${at || '/'} is ${shown(value)}, wanted ${shown(wanted)}`;
}

function shown(value: unknown): string {
  const text = (JSON.stringify(value) as string | undefined) ?? 'absent';
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'list';
  return value === null ? 'null' : typeof value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `name` (the newest version) or `name@version`, as callers write it. */
export interface ModelRef {
  readonly name: string;
  readonly version?: string;
}

const NAME = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;
const VERSION = /^[A-Za-z0-9_-]{1,64}$/;

export function isModelName(text: unknown): text is string {
  return typeof text === 'string' && text.length <= 64 && NAME.test(text);
}

export function isModelVersion(text: unknown): text is string {
  return typeof text === 'string' && VERSION.test(text);
}

export function parseModelRef(text: unknown): ModelRef | undefined {
  if (typeof text !== 'string' || text.length > 129) return undefined;
  const at = text.indexOf('@');
  const name = at < 0 ? text : text.slice(0, at);
  if (!isModelName(name)) return undefined;
  if (at < 0) return { name };
  const version = text.slice(at + 1);
  return isModelVersion(version) ? { name, version } : undefined;
}

export function formatModelRef(ref: ModelRef): string {
  return ref.version === undefined ? ref.name : `${ref.name}@${ref.version}`;
}

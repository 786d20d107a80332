/** One thing that `llmos doctor` looked at. */
export interface Check {
  readonly name: string;
  /** `problem` ends the command with code 1; `skipped` could not be looked at, for a reason. */
  readonly state: 'ok' | 'warning' | 'problem' | 'skipped';
  /** What was found. */
  readonly found: string;
  /** What to do; of warnings and problems. */
  readonly advice?: string;
}

export function ok(name: string, found: string): Check {
  return { name, state: 'ok', found };
}

export function warning(name: string, found: string, advice: string): Check {
  return { name, state: 'warning', found, advice };
}

export function problem(name: string, found: string, advice: string): Check {
  return { name, state: 'problem', found, advice };
}

export function skipped(name: string, found: string): Check {
  return { name, state: 'skipped', found };
}

/** Waits for a condition with a limit: tests never sleep for a fixed time and hope. */
export interface WaitOptions {
  /** What is awaited, for the error's message. */
  readonly what: string;
  /** Default 60 s: generous, because a loaded machine must not fail a test. */
  readonly limitMs?: number;
  /** Between looks, default 20 ms. */
  readonly everyMs?: number;
}

/** Resolves with the first value that is neither undefined nor false; an error counts as "not yet". */
export async function waitFor<T>(
  look: () => T | undefined | false | Promise<T | undefined | false>,
  options: WaitOptions,
): Promise<T> {
  const limitMs = options.limitMs ?? 60_000;
  const endMs = performance.now() + limitMs;
  let lastError: unknown;
  for (;;) {
    try {
      const value = await look();
      if (value !== undefined && value !== false) return value;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() >= endMs) break;
    await new Promise((resolve) => setTimeout(resolve, options.everyMs ?? 20));
  }
  const why = lastError instanceof Error ? `: ${lastError.message}` : '';
  throw new Error(`waited ${limitMs} ms for ${options.what}${why}`);
}

/**
 * Waits for what may take too long, or never end.
 *
 * @returns whether it settled in time. Rejects where it did so with an error; one that comes later
 * is nobody's.
 */
export async function settlesWithin(awaited: Promise<unknown>, limitMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), limitMs);
  });
  try {
    return await Promise.race([awaited.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

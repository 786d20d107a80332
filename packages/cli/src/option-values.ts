/** How values of options are read from the command line. */
import { InvalidArgumentError } from 'commander';

/** An empty one, as of a shell's variable that is not set, would be the working folder. */
export function folder(text: string): string {
  if (text !== '') return text;
  throw new InvalidArgumentError('It must name a folder.');
}

export function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (number >= least && number <= most) return number;
    throw new InvalidArgumentError(`It must be an integer from ${least} to ${most}.`);
  };
}

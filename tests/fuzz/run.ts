/** `npm run fuzz`: drives parsers of bytes from outside for as long as it is told. */
import type { FuzzOutcome, FuzzParser } from './fuzz';
import { fuzz } from './fuzz';
import { PARSERS } from './parsers/parsers';

const HELP = `Feeds damaged input to every parser of bytes from outside, one after the other.

  npm run fuzz -- --seconds 600                   each parser for ten minutes (default 10 s)
  npm run fuzz -- --seconds 60 --parser subjects  one parser
  npm run fuzz -- --seed 7                        another sequence of inputs (default 1)
  npm run fuzz -- --parser subjects --seed 7 --input 1234   one input again

Parsers: ${PARSERS.map((parser) => parser.name).join(', ')}

A finding is an error that is not the parser's own, an input that takes no end, or memory that
grows. Exits with 1 where there is one, with 2 where an option can't be read.`;

interface Command {
  readonly parsers: readonly FuzzParser[];
  readonly seconds: number;
  readonly seed: number;
  readonly input?: number;
}

function parseCommand(args: readonly string[]): Command | string {
  let command: Command = { parsers: PARSERS, seconds: 10, seed: 1 };
  for (let index = 0; index < args.length; index += 2) {
    const name = args[index] ?? '';
    const text = args[index + 1] ?? '';
    if (name === '--parser') {
      const chosen = PARSERS.filter((parser) => parser.name === text);
      if (chosen.length === 0) return `no parser ${JSON.stringify(text)}`;
      command = { ...command, parsers: chosen };
      continue;
    }
    if (!/^\d{1,9}$/.test(text)) return `${name} ${JSON.stringify(text)} is not a number`;
    const value = Number(text);
    if (name === '--seconds') command = { ...command, seconds: value };
    else if (name === '--seed') command = { ...command, seed: value };
    else if (name === '--input') command = { ...command, input: value };
    else return `unknown option ${JSON.stringify(name)}`;
  }
  return command;
}

function report(parser: FuzzParser, seed: number, outcome: FuzzOutcome): void {
  const { inputs, grownBytes, findings } = outcome;
  const grown = `${(grownBytes / 1024).toFixed(0)} KiB`;
  console.log(`${parser.name}: ${inputs} inputs, ${findings.length} findings, grew by ${grown}`);
  for (const { kind, input, what, given } of findings) {
    console.log(`  ${kind} at input ${input}: ${what}`);
    for (const text of given) console.log(`    given ${text}`);
    console.log(
      `    again: npm run fuzz -- --parser ${parser.name} --seed ${seed} --input ${input}`,
    );
  }
}

function run(command: Command): number {
  const { parsers, seed, seconds, input } = command;
  let findings = 0;
  for (const parser of parsers) {
    const range = input === undefined ? {} : { from: input, count: 1 };
    const outcome = fuzz({ parser, seed, forMs: seconds * 1000, ...range });
    findings += outcome.findings.length;
    report(parser, seed, outcome);
  }
  return findings === 0 ? 0 : 1;
}

function main(): number {
  const args = process.argv.slice(2);
  if (args.some((arg) => arg === '--help' || arg === '-h')) {
    console.log(HELP);
    return 0;
  }
  const command = parseCommand(args);
  if (typeof command !== 'string') return run(command);
  console.error(command);
  console.error(HELP);
  return 2;
}

process.exitCode = main();

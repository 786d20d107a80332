/** One arrangement in an OS process of its own, and what it is asked and answers. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export type ChildKind = 'plain' | 'transformers' | 'llama';

export interface GenerateRequest {
  /** Token ids, all of which begin at once where the arrangement can. */
  readonly prompts: readonly (readonly number[])[];
  readonly maxTokens: number;
  /** No token begins later than this after the request; what was made until then counts. */
  readonly maxMs: number;
}

/** One generation as its reader sees it. */
export interface GenerationTimes {
  readonly tokens: readonly number[];
  /** From the request to each token. */
  readonly arrivalsMs: readonly number[];
}

export interface GenerateAnswer {
  readonly generations: readonly GenerationTimes[];
  readonly durationMs: number;
}

export interface GenerateChild {
  run(request: GenerateRequest): Promise<GenerateAnswer>;
  peakBytes(): number;
  stop(): Promise<void>;
}

/** @param args of its program; it says 'ready', or why it can't work. */
export async function startChild(
  program: string,
  args: readonly string[],
): Promise<GenerateChild | { readonly refusal: string }> {
  const child = fork(join(__dirname, program), [...args], { stdio: ['ignore', 2, 2, 'ipc'] });
  const exited = once(child, 'exit');
  const failed = exited.then(([code]) => {
    throw new Error(`${program} ended with ${String(code)}`);
  });
  failed.catch(() => undefined);
  const [first] = (await Promise.race([once(child, 'message'), failed])) as [string];
  const stop = async (): Promise<void> => {
    if (child.connected) child.disconnect();
    await exited;
  };
  if (first !== 'ready') {
    await stop();
    return { refusal: first };
  }
  return {
    run: async (request) => {
      const answer = once(child, 'message');
      child.send(request);
      return ((await Promise.race([answer, failed])) as [GenerateAnswer])[0];
    },
    peakBytes: () => peakBytesOf(child.pid ?? 0),
    stop,
  };
}

/** The most resident memory that a process ever had. */
export function peakBytesOf(osPid: number): number {
  const status = readFileSync(`/proc/${osPid}/status`, 'utf8');
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * 1024;
}

export type Generate = (
  prompt: readonly number[],
  maxTokens: number,
  /** Answers whether it has had enough. */
  onToken: (token: number) => boolean,
) => Promise<void>;

/**
 * The life of a child: answers requests until its parent is gone.
 *
 * @param prepare makes room for so many prompts at once, and answers what runs one.
 */
export async function serveGenerations(
  prepare: (count: number) => Promise<Generate>,
  order: 'together' | 'one by one',
): Promise<void> {
  process.on('disconnect', () => process.exit(0));
  process.send?.('ready');
  for (;;) {
    const [request] = (await once(process, 'message')) as [GenerateRequest];
    const generate = await prepare(request.prompts.length);
    const startMs = performance.now();
    const one = async (prompt: readonly number[]): Promise<GenerationTimes> => {
      // Who works through them one by one begins each anew.
      const beginMs = order === 'together' ? startMs : performance.now();
      const tokens: number[] = [];
      const arrivalsMs: number[] = [];
      await generate(prompt, request.maxTokens, (token) => {
        tokens.push(token);
        arrivalsMs.push(performance.now() - beginMs);
        return performance.now() - startMs > request.maxMs;
      });
      return { tokens, arrivalsMs };
    };
    const generations: GenerationTimes[] = [];
    if (order === 'together') generations.push(...(await Promise.all(request.prompts.map(one))));
    else for (const prompt of request.prompts) generations.push(await one(prompt));
    const answer: GenerateAnswer = { generations, durationMs: performance.now() - startMs };
    process.send?.(answer);
  }
}

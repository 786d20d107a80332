/**
 * The kernel as a program: settings, start, one `program-ready`, and a stop within a bound.
 *
 * Exit codes: 0 stopped when asked, 1 could not start or failed, 2 a setting can't be read.
 */
import { setFlagsFromString } from 'node:v8';
import type { Logger, ProgramReady } from '@llmos/base';
import { LlmosError, createLogger, parseDiskWord } from '@llmos/base';
import type { KernelConfig } from './config';
import { readKernelConfig } from './config';
import { EDGE_LIMITS } from './edge-limits';
import type { RunningKernel } from './kernel';
import { startKernel } from './kernel';

function readConfigOrExit(): KernelConfig {
  try {
    return readKernelConfig(process.env);
  } catch (error) {
    process.stderr.write(
      `llmos kernel: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    process.exit(2);
  }
}

/**
 * A small heap is else collected as a whole every few seconds where many messages come, and each
 * time all calls wait for tens of milliseconds. Four times what was left is V8's own highest; its
 * bound stays the limit of the heap.
 */
const HEAP_GROWTH = '--heap-growing-percent=300';

async function main(): Promise<void> {
  setFlagsFromString(HEAP_GROWTH);
  const config = readConfigOrExit();
  const log = createLogger({ program: 'kernel', level: config.logLevel });
  const stop = stopOnce(log);
  process.once('disconnect', () => stop.request('starter-gone'));
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => stop.request(signal));
  }
  process.on('unhandledRejection', (error) => fail(log, error));
  process.on('uncaughtException', (error) => fail(log, error));
  try {
    const kernel = await startKernel(config, log);
    stop.offer(kernel);
    process.on('message', (message) => {
      const word = parseDiskWord(message);
      if (word !== undefined) kernel.tellDisk(word);
    });
    announce(kernel);
  } catch (error) {
    if (error instanceof LlmosError) {
      process.stderr.write(`llmos kernel: ${error.message}\n`);
      process.exit(1);
    }
    fail(log, error);
  }
}

/** State that nobody can vouch for is not carried on: a fresh start rebuilds it. */
function fail(log: Logger, error: unknown): never {
  log.error('kernel-failed', { error });
  process.exit(1);
}

function announce(kernel: RunningKernel): void {
  const { kernelId: id, httpUrl, grpcUrl } = kernel;
  const ready: ProgramReady = { kind: 'program-ready', program: 'kernel', id, httpUrl, grpcUrl };
  process.send?.(ready);
}

/** Stops the kernel once, also when it was asked before it was up. */
function stopOnce(log: Logger): {
  request: (reason: string) => void;
  offer: (kernel: RunningKernel) => void;
} {
  let kernel: RunningKernel | undefined;
  let isRequested = false;
  const close = (): void => {
    if (kernel === undefined) return;
    kernel.close().then(
      () => process.exit(0),
      (error: unknown) => fail(log, error),
    );
  };
  return {
    request: (reason) => {
      if (isRequested) return;
      isRequested = true;
      log.info('kernel-stops', { reason });
      setTimeout(() => {
        log.warn('kernel-stop-cut-short', { afterMs: EDGE_LIMITS.stopWithinMs });
        process.exit(kernel === undefined ? 0 : 1);
      }, EDGE_LIMITS.stopWithinMs).unref();
      if (kernel === undefined) process.exit(0);
      close();
    },
    offer: (running) => {
      kernel = running;
      if (isRequested) close();
    },
  };
}

void main();

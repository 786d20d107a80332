/** Whether a Docker engine with Compose answers here, and has or gets the base images; else why not. */
import { spawnSync } from 'node:child_process';

export type DockerVerdict =
  { readonly kind: 'usable' } | { readonly kind: 'unusable'; readonly reason: string };

const BASE_IMAGES = ['node:22-bookworm-slim', 'nats:2-alpine'];
const ANSWER_MS = 10_000;
const PULL_MS = 120_000;

export function checkDocker(): DockerVerdict {
  if (!succeeds(['info'], ANSWER_MS)) return unusable('no Docker engine answers');
  if (!succeeds(['compose', 'version'], ANSWER_MS)) return unusable('docker compose is missing');
  const missing = BASE_IMAGES.find(
    (image) =>
      !succeeds(['image', 'inspect', image], ANSWER_MS) && !succeeds(['pull', image], PULL_MS),
  );
  return missing === undefined ? { kind: 'usable' } : unusable(`the image ${missing} can't be had`);
}

function unusable(reason: string): DockerVerdict {
  return { kind: 'unusable', reason };
}

function succeeds(args: readonly string[], timeout: number): boolean {
  return spawnSync('docker', args, { stdio: 'ignore', timeout }).status === 0;
}

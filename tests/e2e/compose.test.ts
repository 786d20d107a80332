/**
 * deploy/compose.yaml, built and run by a real Docker engine: the shipped models answer from the host.
 * Builds images for minutes, so it runs only where `LLMOS_TEST_COMPOSE=1` asks for it.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { connect } from '@llmos/sdk';
import { connect as connectNats } from 'nats';
import { DockerComposeEnvironment, Wait } from 'testcontainers';
import type { StartedDockerComposeEnvironment } from 'testcontainers';
import { readCaseFiles } from '../conformance/case';
import { runConformance } from '../conformance/conformance';
import { checkDocker } from '../support/docker';
import type { DockerVerdict } from '../support/docker';
import { repositoryFolder } from '../support/shared-folder';
import { waitFor } from '../support/wait-for';

const START_MS = 9 * 60_000;
const TEST_MS = 2 * 60_000;
const TAG = 'test';
const verdict: DockerVerdict =
  process.env['LLMOS_TEST_COMPOSE'] === '1'
    ? checkDocker()
    : { kind: 'unusable', reason: 'it builds images for minutes; LLMOS_TEST_COMPOSE=1 runs it' };

if (verdict.kind === 'unusable') {
  test.skip(`compose: ${verdict.reason}`, () => undefined);
} else {
  describe('compose', () => {
    let environment: StartedDockerComposeEnvironment;
    let servers: string;

    beforeAll(async () => {
      // The engine is local and afterAll removes everything: no remover container is needed.
      process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true';
      build();
      environment = await new DockerComposeEnvironment(
        join(repositoryFolder, 'deploy'),
        'compose.yaml',
      )
        .withEnvironment({
          LLMOS_VERSION: TAG,
          NATS_PORT: '0',
          NATS_MONITOR_PORT: '0',
          KERNEL_HTTP_PORT: '0',
        })
        .withProfiles('standby')
        .withDefaultWaitStrategy(Wait.forHealthCheck())
        .withStartupTimeout(START_MS)
        .up();
      servers = `nats://127.0.0.1:${environment.getContainer('nats-1').getMappedPort(4222)}`;
    }, START_MS);

    afterAll(async () => {
      await environment?.down({ removeVolumes: true });
    }, TEST_MS);

    test(
      'the models that the repository ships are registered and answer',
      async () => {
        const client = await connect({ servers });
        try {
          await waitFor(async () => (await client.models()).length >= 5, {
            what: 'five registered models',
            limitMs: TEST_MS / 2,
          });
          const { labels } = await client.classify({
            model: 'support-intents',
            text: 'I want to cancel my card',
          });
          expect(labels.length).toBeGreaterThan(0);
        } finally {
          await client.close();
        }
      },
      TEST_MS,
    );

    test(
      'the conformance kit passes',
      async () => {
        const connection = await connectNats({ servers });
        try {
          const files = readCaseFiles();
          const report = await runConformance({ connection, files, tenant: 'conformance' });
          expect(report.outcomes.filter((outcome) => outcome.kind !== 'passed')).toEqual([]);
        } finally {
          await connection.close();
        }
      },
      START_MS,
    );

    test(
      'a standby takes over when the leading kernel is stopped',
      async () => {
        const client = await connect({ servers });
        try {
          const before = await client.info();
          await environment.getContainer(`${serviceOf(before.kernel)}-1`).stop();
          await expect(client.echo({ after: before.kernel })).resolves.toEqual({
            after: before.kernel,
          });
          const after = await client.info();
          expect(after.kernel).not.toBe(before.kernel);
          expect(after.epoch).toBeGreaterThan(before.epoch);
        } finally {
          await client.close();
        }
      },
      TEST_MS,
    );
  });
}

function serviceOf(kernelId: string): string {
  return kernelId === 'kernel-1' ? 'kernel' : 'kernel-standby';
}

function build(): void {
  for (const target of ['kernel', 'worker', 'cli']) {
    const args = ['build', '-q', '-f', 'deploy/images/Dockerfile', '--target', target];
    const built = spawnSync('docker', [...args, '-t', `llmos/${target}:${TAG}`, '.'], {
      cwd: repositoryFolder,
      env: { ...process.env, DOCKER_BUILDKIT: '1' },
      encoding: 'utf8',
    });
    if (built.status !== 0) throw new Error(`${target}: ${built.stderr.slice(-2000)}`);
  }
}

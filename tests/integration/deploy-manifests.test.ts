/** deploy/ against itself, the programs and docs/operations.md: names, ports, rights, bounds. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isToken } from '@llmos/base';
import { readKernelConfig } from '@llmos/kernel';
import { LOCAL_LIMITS } from '@llmos/local';
import { parse } from 'yaml';
import {
  composeServices,
  dockerfileStages,
  documentedSettings,
  kustomizeFolders,
  readDeployFile,
} from '../support/deploy-files';
import type {
  Container,
  KubernetesObject,
  KustomizeFolder,
  PodSpec,
} from '../support/deploy-files';
import { repositoryFolder } from '../support/shared-folder';

const settings = documentedSettings();
const folders = kustomizeFolders();
const base = folderAt('base');
const workloads = base.objects.filter((object) => object.spec?.template !== undefined);
/** With those that a component adds. */
const everyWorkload = folders
  .flatMap((folder) => folder.resources)
  .filter((object) => object.spec?.template !== undefined);
const services = composeServices();
const stages = dockerfileStages();
const targets = ['kernel', 'worker', 'worker-gpu', 'cli'];

function folderAt(path: string): KustomizeFolder {
  const folder = folders.find((candidate) => candidate.path === path);
  if (folder === undefined) throw new Error(`deploy/kubernetes/${path} is missing`);
  return folder;
}

function podOf(object: KubernetesObject): PodSpec {
  const pod = object.spec?.template?.spec;
  if (pod === undefined) throw new Error(`${object.kind}/${object.metadata.name} has no pods`);
  return pod;
}

function containerOf(object: KubernetesObject): Container {
  const [container, ...others] = podOf(object).containers;
  if (container === undefined || others.length > 0) throw new Error('one container expected');
  return container;
}

function workloadNamed(name: string): KubernetesObject {
  const found = workloads.find((object) => object.metadata.name === name);
  if (found === undefined) throw new Error(`no workload ${name} in deploy/kubernetes/base`);
  return found;
}

function baseObject(kind: string, name: string): KubernetesObject | undefined {
  return base.objects.find((object) => object.kind === kind && object.metadata.name === name);
}

/** Which program reads the variables of a container of this image. */
function programOf(image: string): string {
  return /llmos\/(kernel|worker|cli)/.exec(image)?.[1]?.replace('cli', 'command') ?? 'none';
}

function unknownSettings(program: string, names: readonly string[]): readonly string[] {
  return names.filter((name) => {
    const programs = settings.get(name);
    if (!name.startsWith('LLMOS_')) return false;
    return programs === undefined || !(programs.includes('all') || programs.includes(program));
  });
}

/** Bytes of a quantity of Kubernetes (Gi, Mi) or of the NATS server (GB, binary there too). */
function bytesOf(quantity: string): number {
  const match = /^(\d+)(Ki|Mi|Gi|MB|GB)?$/.exec(quantity);
  if (match === null) throw new Error(`unreadable quantity ${quantity}`);
  const unit = { Ki: 2 ** 10, Mi: 2 ** 20, MB: 2 ** 20, Gi: 2 ** 30, GB: 2 ** 30 }[match[2] ?? ''];
  return Number(match[1]) * (unit ?? 1);
}

describe('settings', () => {
  test('every variable that a program reads is in the table of docs/operations.md, and no other', () => {
    for (const program of ['kernel', 'worker']) {
      const file = join(repositoryFolder, 'packages', program, 'src/config.ts');
      const read = new Set(readFileSync(file, 'utf8').match(/\bLLMOS_[A-Z_]+\b/g));
      const documented = [...settings.keys()].filter(
        (name) => unknownSettings(program, [name]).length === 0,
      );
      expect({ program, names: [...read].sort() }).toEqual({ program, names: documented.sort() });
    }
  });

  test('Kubernetes sets only variables that the program of the container knows', () => {
    for (const object of folders.flatMap((folder) => folder.objects)) {
      for (const container of object.spec?.template?.spec.containers ?? []) {
        const original = baseObject(object.kind, object.metadata.name) ?? object;
        const program = programOf(containerOf(original).image ?? '');
        const names = (container.env ?? []).map((variable) => variable.name);
        expect(unknownSettings(program, names)).toEqual([]);
      }
    }
  });

  test('compose and the images set only variables that the program knows', () => {
    for (const service of Object.values(services)) {
      const names = Object.keys(service.environment ?? {});
      expect(unknownSettings(programOf(service.image), names)).toEqual([]);
    }
    for (const stage of stages.filter(({ name }) =>
      ['kernel', 'worker', 'worker-gpu'].includes(name),
    )) {
      const names = stage.lines
        .filter((line) => line.startsWith('ENV '))
        .flatMap((line) => line.match(/\bLLMOS_[A-Z_]+(?==)/g) ?? []);
      expect(unknownSettings(stage.name.replace('-gpu', ''), names)).toEqual([]);
    }
  });
});

describe('images', () => {
  test('each target ends without root, with node as PID 1 running a program that exists', () => {
    for (const target of targets) {
      const stage = stages.find(({ name }) => name === target);
      const runtime = stages.find(({ name }) => name === 'runtime');
      const lines = [
        ...(stage?.from === 'runtime' ? (runtime?.lines ?? []) : []),
        ...(stage?.lines ?? []),
      ];
      expect(lines).toContain('USER 10001:10001');
      expect(lines).toContain('STOPSIGNAL SIGTERM');
      const entry = lines
        .find((line) => line.startsWith('ENTRYPOINT '))
        ?.slice('ENTRYPOINT '.length);
      const [program, file] = JSON.parse(entry ?? '[]') as string[];
      expect(program).toBe('node');
      expect(sourceOf(file)).toEqual({ file, exists: true });
    }
  });

  test('ONNX Runtime sends no usage data from any image that holds it', () => {
    for (const name of ['runtime', 'worker-gpu']) {
      const lines = stages.find((stage) => stage.name === name)?.lines ?? [];
      expect(lines.filter((line) => /^ENV .*\bORT_DISABLE_TELEMETRY=1\b/.test(line))).toHaveLength(
        1,
      );
    }
  });

  test('the manifests of all workspace packages are copied before the dependencies are installed', () => {
    const copied = stages.find(({ name }) => name === 'manifests')?.lines ?? [];
    const packages = readdirSync(join(repositoryFolder, 'packages')).map(
      (name) => `packages/${name}`,
    );
    for (const folder of ['proto', 'tests', ...packages]) {
      expect(copied).toContain(`COPY ${folder}/package.json ${folder}/`);
    }
  });

  test('compose and Kubernetes run images that the Dockerfile makes, or NATS', () => {
    const used = [...folders.flatMap((folder) => folder.objects)].flatMap(
      (object) => object.spec?.template?.spec.containers ?? [],
    );
    const names = used.flatMap((container) => container.image ?? []);
    const known = [...targets.map((target) => `llmos/${target}`), 'nats'];
    expect(
      names.map((name) => name.replace(/:.*/, '')).filter((name) => !known.includes(name)),
    ).toEqual([]);
    for (const [name, service] of Object.entries(services)) {
      if (service.build === undefined) continue;
      expect({ name, image: service.image.replace(/:.*/, '') }).toEqual({
        name,
        image: `llmos/${service.build.target}`,
      });
      expect(
        existsSync(
          join(repositoryFolder, 'deploy', service.build.context, service.build.dockerfile),
        ),
      ).toBe(true);
    }
  });

  test('the tags are the version of the project', () => {
    const { version } = JSON.parse(
      readFileSync(join(repositoryFolder, 'package.json'), 'utf8'),
    ) as {
      version: string;
    };
    for (const image of base.kustomization.images ?? []) expect(image.newTag).toBe(version);
    // The base gives tags to its own images only.
    const named = folders
      .filter(({ path }) => path.startsWith('components'))
      .flatMap((folder) => folder.objects)
      .flatMap((object) => object.spec?.template?.spec.containers ?? [])
      .flatMap(({ image }) => image ?? []);
    expect(named.length).toBeGreaterThan(0);
    for (const image of named) expect(image).toMatch(new RegExp(`:${version}$`));
    expect(readDeployFile('compose.yaml')).toContain(`llmos/kernel:\${LLMOS_VERSION:-${version}}`);
  });
});

function sourceOf(file: string | undefined): { file: string | undefined; exists: boolean } {
  const source = (file ?? '').replace('/dist/', '/src/').replace(/\.js$/, '.ts');
  return { file, exists: existsSync(join(repositoryFolder, source)) };
}

const defaultStorageBytes = readKernelConfig({}).storageBytes;

describe('llmos up', () => {
  test('has the bounds of a kernel for the bytes of the streams', () => {
    const { streamBytes, leastStreamBytes } = LOCAL_LIMITS;
    expect(streamBytes).toBe(defaultStorageBytes);
    const settingsOf = (bytes: number) => ({ LLMOS_STORAGE_BYTES: String(bytes) });
    expect(readKernelConfig(settingsOf(leastStreamBytes)).storageBytes).toBe(leastStreamBytes);
    expect(() => readKernelConfig(settingsOf(leastStreamBytes - 1))).toThrow(/LLMOS_STORAGE_BYTES/);
  });
});

describe('Kubernetes', () => {
  test('every file of a folder is named by its kustomization', () => {
    for (const folder of folders) {
      expect({ path: folder.path, files: folder.namedFiles }).toEqual({
        path: folder.path,
        files: folder.files,
      });
    }
  });

  test.each(everyWorkload.map((object) => [object.metadata.name, object] as const))(
    '%s runs without root, rights or a token, and within bounds',
    (_name, object) => {
      const pod = podOf(object);
      const container = containerOf(object);
      expect(pod).toMatchObject({
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 10001,
          seccompProfile: { type: 'RuntimeDefault' },
        },
      });
      const account = folders
        .flatMap((folder) => folder.resources)
        .find(({ kind, metadata }) => {
          return kind === 'ServiceAccount' && metadata.name === pod.serviceAccountName;
        });
      expect(account).toMatchObject({ automountServiceAccountToken: false });
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(Object.keys(container.resources?.requests ?? {}).sort()).toEqual(['cpu', 'memory']);
      expect(container.resources?.limits?.['memory']).toBeDefined();
      expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(0);
    },
  );

  test.each(
    workloads
      .filter(({ kind }) => kind !== 'Job')
      .map((object) => [object.metadata.name, object] as const),
  )('%s has probes on ports it opens, and a disruption budget', (name, object) => {
    const container = containerOf(object);
    const ports = (container.ports ?? []).map((port) => port.name);
    for (const probe of [
      container.startupProbe,
      container.livenessProbe,
      container.readinessProbe,
    ]) {
      expect(ports).toContain(probe?.httpGet?.port);
    }
    if (name !== 'llmos-nats') {
      expect(container.livenessProbe?.httpGet?.path).toBe('/livez');
      expect(container.readinessProbe?.httpGet?.path).toBe('/readyz');
    }
    // Whoever needs a pod that starts waits for this probe.
    expect(container.startupProbe?.periodSeconds).toBeLessThanOrEqual(2);
    expect(baseObject('PodDisruptionBudget', name)).toBeDefined();
  });

  test('services lead to ports that a container opens', () => {
    for (const service of base.objects.filter(({ kind }) => kind === 'Service')) {
      const selected = JSON.stringify(service.spec?.selector);
      const workload = workloads.find((object) => selected.includes(`"${object.metadata.name}"`));
      const open = workload === undefined ? [] : (containerOf(workload).ports ?? []);
      for (const port of service.spec?.ports ?? []) {
        expect(open.map(({ name }) => name)).toContain(port.targetPort);
      }
    }
  });

  test('network policies open exactly the ports that the containers open', () => {
    for (const object of workloads.filter(({ kind }) => kind !== 'Job')) {
      const policy = baseObject('NetworkPolicy', object.metadata.name);
      const allowed = (policy?.spec?.ingress ?? []).flatMap((rule) => rule.ports ?? []);
      expect(allowed.map(({ port }) => port).sort()).toEqual(
        (containerOf(object).ports ?? []).map(({ containerPort }) => containerPort).sort(),
      );
    }
    const closed = baseObject('NetworkPolicy', 'default-deny');
    expect(closed?.spec).toEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
  });

  test('kernel and worker listen on the ports that the manifests name', () => {
    for (const name of ['llmos-kernel', 'llmos-worker']) {
      const container = containerOf(workloadNamed(name));
      const env = new Map((container.env ?? []).map((variable) => [variable.name, variable.value]));
      const port = (wanted: string): string =>
        String(container.ports?.find((candidate) => candidate.name === wanted)?.containerPort);
      expect(env.get('LLMOS_HTTP_PORT')).toBe(port('http'));
      expect(env.get('LLMOS_SERVERS')).toBe('nats://llmos-nats:4222');
      if (name === 'llmos-kernel') {
        expect(env.get('LLMOS_GRPC_PORT')).toBe(port('grpc'));
        expect(env.get('LLMOS_GRPC_URL')).toBe(`$(POD_IP):${port('grpc')}`);
      }
    }
  });

  test('names of pods are tokens, so they can be names of nodes and kernels', () => {
    for (const object of workloads)
      expect(isToken(`${object.metadata.name}-7d9f8b6c5d-abcde`)).toBe(true);
  });

  test('patches change objects and containers that the base has', () => {
    for (const folder of folders) {
      for (const patch of folder.patches) {
        const original = baseObject(patch.kind, patch.metadata.name);
        expect({ patch: patch.metadata.name, found: original !== undefined }).toEqual({
          patch: patch.metadata.name,
          found: true,
        });
        for (const container of patch.spec?.template?.spec.containers ?? []) {
          expect(container.name).toBe(containerOf(workloadNamed(patch.metadata.name)).name);
        }
      }
    }
  });

  test('the stores are smaller than their volumes, in the base and in every overlay', () => {
    const kinds = [
      ['llmos-nats', 'JETSTREAM_FILE_STORE'],
      ['llmos-worker', 'LLMOS_CACHE_BYTES'],
    ] as const;
    for (const folder of folders) {
      for (const [name, variable] of kinds) {
        const find = (of: KustomizeFolder): KubernetesObject | undefined =>
          of.objects.find(
            (object) => object.kind === 'StatefulSet' && object.metadata.name === name,
          );
        // A patch that leaves both alone changes nothing.
        const patch = find(folder);
        const hasVolume = patch?.spec?.volumeClaimTemplates !== undefined;
        const object = hasVolume ? patch : workloadNamed(name);
        const store = containerOf(object).env?.find((entry) => entry.name === variable)?.value;
        const volume = object.spec?.volumeClaimTemplates?.[0]?.spec.resources.requests.storage;
        expect(bytesOf(store ?? '')).toBeLessThan(bytesOf(volume ?? ''));
      }
    }
  });

  test('nothing that `delete -k` deletes takes the data along', () => {
    const kinds = folders.flatMap((folder) => folder.objects).map(({ kind }) => kind);
    expect(kinds).not.toContain('Namespace');
    expect(kinds).not.toContain('PersistentVolumeClaim');
    const nats = workloadNamed('llmos-nats');
    expect(nats.spec?.persistentVolumeClaimRetentionPolicy?.whenDeleted ?? 'Retain').toBe('Retain');
  });

  test('no two of three NATS servers share a machine, whatever machines there are', () => {
    const production = folderAt('overlays/production').patches.find(
      ({ metadata }) => metadata.name === 'llmos-nats',
    );
    expect(production?.spec?.replicas).toBe(3);
    const rules = production?.spec?.template?.spec.affinity?.podAntiAffinity;
    expect(rules?.requiredDuringSchedulingIgnoredDuringExecution).toEqual([
      {
        topologyKey: 'kubernetes.io/hostname',
        labelSelector: { matchLabels: { 'app.kubernetes.io/name': 'llmos-nats' } },
      },
    ]);
  });

  test('the heap of a kernel fits its container, in the base and in every overlay', () => {
    for (const folder of folders) {
      const find = (of: KustomizeFolder): Container | undefined => {
        const object = of.objects.find(
          ({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'llmos-kernel',
        );
        return object?.spec?.template?.spec.containers[0];
      };
      const [own, original] = [find(folder), find(base)];
      const options = [own, original].flatMap((container) => container?.env ?? []);
      const heap = options.find(({ name }) => name === 'NODE_OPTIONS')?.value ?? '';
      const mebibytes = Number(/^--max-old-space-size=(\d+)$/.exec(heap)?.[1]);
      const limit = own?.resources?.limits?.['memory'] ?? original?.resources?.limits?.['memory'];
      const share = (mebibytes * 2 ** 20) / bytesOf(limit ?? '');
      expect({ path: folder.path, share }).toEqual({ path: folder.path, share: 0.75 });
    }
  });

  test('what a component adds or changes names its namespace: the overlay around it may not', () => {
    for (const folder of folders.filter(({ path }) => path.startsWith('components'))) {
      for (const { metadata } of folder.objects) expect(metadata.namespace).toBe('llmos');
    }
  });

  test('clients reach NATS: pods with the label that its policy lets in', () => {
    const clients = everyWorkload.filter(({ metadata }) =>
      ['llmos-models', 'llmos-client'].includes(metadata.name),
    );
    expect(clients).toHaveLength(2);
    for (const client of clients) {
      const labels = client.spec?.template?.metadata?.labels;
      expect(labels).toMatchObject({ 'llmos.dev/client': 'true' });
    }
  });

  test('the Job of the models waits for a kernel before it registers the first', () => {
    const script = containerOf(workloadNamed('llmos-models')).command?.at(-1) ?? '';
    expect(script.indexOf('until ')).toBeGreaterThanOrEqual(0);
    expect(script.indexOf('model add')).toBeGreaterThan(script.indexOf('until '));
  });

  test('the component `small` asks for little, with stores that fit its volumes', () => {
    const small = folderAt('components/small');
    for (const patch of small.patches) {
      const { requests } = containerOf(patch).resources ?? {};
      expect(Number(/^(\d+)m$/.exec(requests?.['cpu'] ?? '')?.[1])).toBeLessThanOrEqual(250);
      expect(bytesOf(requests?.['memory'] ?? '')).toBeLessThanOrEqual(2 ** 30);
    }
    expect(small.patches.map(({ metadata }) => metadata.name).sort()).toEqual(
      ['llmos-kernel', 'llmos-nats', 'llmos-worker'].sort(),
    );
  });

  test('a single server stops at once; those of a cluster first send their clients to each other', () => {
    // While a server waits for its clients to leave, its JetStream is off already.
    expect(containerOf(workloadNamed('llmos-nats')).lifecycle).toBeUndefined();
    const servers = folderAt('overlays/production').objects.find(
      ({ kind, metadata }) => kind === 'StatefulSet' && metadata.name === 'llmos-nats',
    );
    const container = servers === undefined ? undefined : containerOf(servers);
    expect(JSON.stringify(container?.lifecycle?.preStop)).toContain('ldm=');
  });

  test('the one server of dev has room for a backup of the three of `small`', () => {
    const [small, dev] = ['components/small', 'overlays/dev'].map((path) => {
      const patch = folderAt(path).objects.find(({ metadata }) => metadata.name === 'llmos-nats');
      if (patch === undefined) throw new Error(`${path} has no llmos-nats`);
      const store = containerOf(patch).env?.find(({ name }) => name === 'JETSTREAM_FILE_STORE');
      return bytesOf(store?.value ?? '');
    });
    expect(dev).toBeGreaterThanOrEqual(small ?? Infinity);
  });

  test('the streams leave room for the packages in the store', () => {
    for (const path of ['base', 'overlays/dev', 'overlays/production', 'components/small']) {
      const envOf = (kind: string, name: string, variable: string): string | undefined => {
        const objects = [...folderAt(path).objects, ...base.objects];
        const values = objects
          .filter((object) => object.kind === kind && object.metadata.name === name)
          .flatMap((object) => containerOf(object).env ?? [])
          .filter((entry) => entry.name === variable);
        return values[0]?.value;
      };
      const streams = envOf('Deployment', 'llmos-kernel', 'LLMOS_STORAGE_BYTES');
      const store = envOf('StatefulSet', 'llmos-nats', 'JETSTREAM_FILE_STORE') ?? '';
      const streamBytes = streams === undefined ? defaultStorageBytes : bytesOf(streams);
      expect(streamBytes).toBeLessThanOrEqual(0.7 * bytesOf(store));
    }
    const nats = readDeployFile('kubernetes/base/nats/nats.conf');
    expect(nats).toContain('max_file_store: $JETSTREAM_FILE_STORE');
  });
});

describe('compose', () => {
  test('the streams leave room for the packages in the store, which has a fixed limit', () => {
    const store = /max_file_store: (\w+)/.exec(readDeployFile('nats/nats.conf'))?.[1] ?? '';
    for (const name of ['kernel', 'kernel-standby']) {
      const streams = services[name]?.environment?.['LLMOS_STORAGE_BYTES'];
      const streamBytes = streams === undefined ? defaultStorageBytes : bytesOf(streams);
      expect(streamBytes).toBeLessThanOrEqual(0.7 * bytesOf(store));
    }
  });

  test('ports are published on the loopback address only', () => {
    for (const port of Object.values(services).flatMap((service) => service.ports ?? [])) {
      expect(port).toMatch(/^127\.0\.0\.1:/);
    }
  });

  test('every service runs with a read-only root and without capabilities', () => {
    for (const [name, service] of Object.entries(services)) {
      expect({ name, root: service.read_only, drop: service.cap_drop }).toEqual({
        name,
        root: true,
        drop: ['ALL'],
      });
    }
  });

  test('every service that `up` starts says when it is ready, so `--wait` means all of them', () => {
    const started = Object.entries(services).filter(([name]) => name !== 'llmos');
    for (const [name, service] of started) {
      expect({ name, test: service.healthcheck?.test[0] }).toEqual({ name, test: 'CMD' });
      expect({ name, restart: service.restart }).toEqual({ name, restart: 'unless-stopped' });
    }
  });

  test('each kernel advertises its own name, and ids are tokens', () => {
    for (const name of ['kernel', 'kernel-standby']) {
      expect(services[name]?.environment?.['LLMOS_GRPC_URL']).toBe(`${name}:9090`);
      expect(isToken(services[name]?.environment?.['LLMOS_KERNEL_ID'])).toBe(true);
    }
  });
});

describe('alerts', () => {
  interface Rule {
    readonly alert: string;
    readonly expr: string;
    readonly labels: { readonly severity: string };
    readonly annotations: Readonly<Record<string, string>>;
  }
  const { groups } = parse(readDeployFile('prometheus/alerts.yaml')) as {
    readonly groups: readonly { readonly rules: readonly Rule[] }[];
  };
  const rules = groups.flatMap((group) => group.rules);
  const page = (name: string): string => readFileSync(join(repositoryFolder, name), 'utf8');

  test('watch metrics that the programs have, with labels that these have', () => {
    const rows = new Map(
      [...page('docs/metrics.md').matchAll(/^\| `(llmos_\w+)` +\| \w+ +\| (.*?) +\|/gm)].map(
        ([, name, labels = '']) => [name, labels] as const,
      ),
    );
    expect(rules.length).toBeGreaterThan(0);
    for (const { alert, expr } of rules) {
      const used = [...expr.matchAll(/\b(llmos_\w+)(?:\{(\w+))?/g)];
      expect({ alert, metrics: used.length > 0 }).toEqual({ alert, metrics: true });
      for (const [, name = '', label] of used) {
        const labels = rows.get(name.replace(/_bucket$/, ''));
        expect({ alert, name, isKnown: labels !== undefined }).toEqual({
          ...{ alert, name, isKnown: true },
        });
        if (label !== undefined) expect(labels).toContain(`\`${label}\``);
      }
    }
  });

  test('say how bad it is, what callers see, and where to read on', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { labels, annotations } of rules) {
      expect(['critical', 'warning']).toContain(labels.severity);
      const { summary, description, runbook_url: runbook = '' } = annotations;
      expect(summary).toBeTruthy();
      expect(description).toBeTruthy();
      const [file = '', anchor] = runbook.split('#');
      const headings = page(file).match(/^#+ .*$/gm) ?? [];
      const anchors = headings.map((line) =>
        line.replace(/^#+ /, '').toLowerCase().replaceAll(' ', '-'),
      );
      if (anchor !== undefined) expect(anchors).toContain(anchor);
    }
  });

  test('a full stream of results is among them', () => {
    const full = rules.find(({ alert }) => alert === 'LlmosResultsFull');
    expect(full?.labels.severity).toBe('critical');
    expect(full?.expr).toContain('RESULTS');
  });
});

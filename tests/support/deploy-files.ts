/** deploy/ as values: every Kubernetes object of base, overlays and components, the compose file, the Dockerfile. */
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { repositoryFolder } from './shared-folder';

export interface EnvironmentVariable {
  readonly name: string;
  readonly value?: string;
}

export interface Probe {
  readonly periodSeconds?: number;
  readonly httpGet?: { readonly path: string; readonly port: string };
}

export interface Container {
  readonly name: string;
  readonly image?: string;
  readonly command?: readonly string[];
  readonly env?: readonly EnvironmentVariable[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly lifecycle?: { readonly preStop?: object };
  readonly startupProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly resources?: {
    readonly requests?: Readonly<Record<string, string>>;
    readonly limits?: Readonly<Record<string, string>>;
  };
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}

export interface PodSpec {
  readonly serviceAccountName?: string;
  readonly automountServiceAccountToken?: boolean;
  readonly enableServiceLinks?: boolean;
  readonly terminationGracePeriodSeconds?: number;
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly containers: readonly Container[];
  readonly affinity?: {
    readonly podAntiAffinity?: {
      readonly requiredDuringSchedulingIgnoredDuringExecution?: readonly unknown[];
    };
  };
}

export interface VolumeClaim {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly resources: { readonly requests: { readonly storage: string } } };
}

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec?: {
    readonly replicas?: number;
    readonly serviceName?: string;
    readonly selector?: unknown;
    readonly ports?: readonly { readonly name: string; readonly targetPort: string }[];
    readonly template?: {
      readonly metadata?: { readonly labels?: Readonly<Record<string, string>> };
      readonly spec: PodSpec;
    };
    readonly volumeClaimTemplates?: readonly VolumeClaim[];
    readonly persistentVolumeClaimRetentionPolicy?: { readonly whenDeleted?: string };
    readonly podSelector?: { readonly matchLabels?: Readonly<Record<string, string>> };
    readonly ingress?: readonly { readonly ports?: readonly { readonly port: number }[] }[];
  };
}

interface Kustomization {
  readonly resources?: readonly string[];
  readonly components?: readonly string[];
  readonly patches?: readonly { readonly path?: string; readonly patch?: string }[];
  readonly configMapGenerator?: readonly { readonly files: readonly string[] }[];
  readonly images?: readonly { readonly name: string; readonly newTag?: string }[];
}

export interface KustomizeFolder {
  /** Relative to deploy/kubernetes. */
  readonly path: string;
  readonly kustomization: Kustomization;
  /** Whole objects, then patches. */
  readonly objects: readonly KubernetesObject[];
  readonly resources: readonly KubernetesObject[];
  readonly patches: readonly KubernetesObject[];
  /** Files that exist, and files that the kustomization names. */
  readonly files: readonly string[];
  readonly namedFiles: readonly string[];
}

export interface ComposeService {
  readonly image: string;
  readonly build?: {
    readonly context: string;
    readonly dockerfile: string;
    readonly target: string;
  };
  readonly entrypoint?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly restart?: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
}

const deployFolder = join(repositoryFolder, 'deploy');
const kubernetesFolder = join(deployFolder, 'kubernetes');

export function readDeployFile(path: string): string {
  return readFileSync(join(deployFolder, path), 'utf8');
}

export function composeServices(): Readonly<Record<string, ComposeService>> {
  const file = parse(readDeployFile('compose.yaml'), { merge: true }) as {
    services: Record<string, ComposeService>;
  };
  return file.services;
}

export function kustomizeFolders(): readonly KustomizeFolder[] {
  const files = readdirSync(kubernetesFolder, { recursive: true, encoding: 'utf8' });
  return files
    .filter((file) => file.endsWith('kustomization.yaml'))
    .map((file) => readKustomizeFolder(join(kubernetesFolder, file, '..')));
}

function readKustomizeFolder(folder: string): KustomizeFolder {
  const read = (file: string): string => readFileSync(join(folder, file), 'utf8');
  const kustomization = parse(read('kustomization.yaml')) as Kustomization;
  const resourceFiles = (kustomization.resources ?? []).filter((name) => name.endsWith('.yaml'));
  const patchFiles = (kustomization.patches ?? []).flatMap((patch) => patch.path ?? []);
  const inlinePatches = (kustomization.patches ?? []).flatMap((patch) => patch.patch ?? []);
  const generated = (kustomization.configMapGenerator ?? []).flatMap((map) =>
    map.files.map((file) => file.slice(file.indexOf('=') + 1)),
  );
  const resources = resourceFiles.map(read).flatMap(parseObjects);
  const patches = [...patchFiles.map(read), ...inlinePatches].flatMap(parseObjects);
  return {
    path: relative(kubernetesFolder, folder),
    kustomization,
    objects: [...resources, ...patches],
    resources,
    patches,
    files: readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(yaml|conf)$/.test(file) && file !== 'kustomization.yaml')
      .sort(),
    namedFiles: [...resourceFiles, ...patchFiles, ...generated].sort(),
  };
}

function parseObjects(text: string): KubernetesObject[] {
  return parseAllDocuments(text).map((document) => {
    if (document.errors.length > 0) throw document.errors[0] ?? new Error('unreadable YAML');
    return document.toJS() as KubernetesObject;
  });
}

/** One stage of the Dockerfile: its name, what it starts from, its instructions. */
export interface Stage {
  readonly name: string;
  readonly from: string;
  readonly lines: readonly string[];
}

export function dockerfileStages(): readonly Stage[] {
  const text = readDeployFile('images/Dockerfile').replace(/\\\n\s*/g, ' ');
  const stages: { name: string; from: string; lines: string[] }[] = [];
  for (const line of text.split('\n')) {
    const start = /^FROM (\S+) AS (\S+)$/.exec(line);
    if (start?.[1] !== undefined && start[2] !== undefined) {
      stages.push({ name: start[2], from: start[1], lines: [] });
    } else if (line !== '' && !line.startsWith('#')) {
      stages.at(-1)?.lines.push(line);
    }
  }
  return stages;
}

/** Rows of the settings table of docs/operations.md: variable → programs. */
export function documentedSettings(): ReadonlyMap<string, readonly string[]> {
  const text = readFileSync(join(repositoryFolder, 'docs/operations.md'), 'utf8');
  const rows = [...text.matchAll(/^\| `(LLMOS_[A-Z_]+)` +\| ([^|]+) \|/gm)];
  return new Map(rows.map((row) => [row[1] ?? '', (row[2] ?? '').trim().split(', ')]));
}

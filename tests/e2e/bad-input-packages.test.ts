/** Model packages of strangers: refused with the reason, or contained where they run. */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PACKAGE_STORE, packageObjectName } from '@llmos/base';
import { checkPackage } from '@llmos/worker';
import type { PackageDescription } from '@llmos/worker';
import { tinyGraph } from '@llmos/worker/testing';
import type { Requester } from '../support/bad-input';
import { openRequester } from '../support/bad-input';
import { openLedger } from '../support/ledger';
import { PATIENT } from '../support/nats-server';
import type { TestSystem } from '../support/test-system';
import { shippedModel, startTestSystem } from '../support/test-system';
import { waitFor } from '../support/wait-for';

let system: TestSystem;
let requester: Requester;
const folders: string[] = [];

beforeAll(async () => {
  system = await startTestSystem({ models: ['mini-encoder'] });
  requester = await openRequester(system);
});
afterAll(async () => {
  await requester?.close();
  await system?.stop();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'llmos-bad-package-'));
  folders.push(folder);
  return folder;
}

function copyOf(name: string, damage: (folder: string) => void = () => undefined): string {
  const folder = newFolder();
  cpSync(shippedModel(name), folder, { recursive: true });
  damage(folder);
  return folder;
}

/** A package of one graph: `y = x + x`, or with another operator of three letters. */
function tiny(operator = 'Add'): string {
  const folder = newFolder();
  mkdirSync(join(folder, 'onnx'));
  const graph = Buffer.from(tinyGraph());
  graph.write(operator, graph.indexOf('Add'));
  writeFileSync(join(folder, 'onnx/model.onnx'), graph);
  return folder;
}

async function describeTiny(): Promise<{ folder: string; description: PackageDescription }> {
  const folder = tiny();
  writeFileSync(join(folder, 'README.md'), folder); // so that it is another package each time
  return { folder, description: await checkPackage(folder) };
}

async function addAs(name: string, of: { folder: string; description: PackageDescription }) {
  const operator = await system.connectAs('operator');
  return operator.addModel({ name, ...of });
}

const one = { x: { type: 'float32', dims: [1], data: [1] } };
const graphOf = (folder: string): string => join(folder, 'onnx/model.onnx');

describe('model add refuses', () => {
  const INVALID = 'INVALID_ARGUMENT';
  const cases: readonly (readonly [string, () => string, string, RegExp])[] = [
    [
      'a folder that is not there',
      () => '/nowhere/at/all',
      'NOT_FOUND',
      /"\/nowhere\/at\/all" can't/,
    ],
    [
      'a package without a tokenizer',
      () =>
        copyOf('mini-encoder', (folder) => {
          rmSync(join(folder, 'tokenizer.json'));
          writeFileSync(join(folder, 'llmos.json'), '{"task":"embed"}');
        }),
      INVALID,
      /no tokenizer\.json, which the task embed needs/,
    ],
    [
      'a truncated graph',
      () => copyOf('mini-encoder', (folder) => truncateSync(graphOf(folder), 20_000)),
      INVALID,
      /onnx\/model\.onnx is not an ONNX model: a message at byte \d+ claims \d+ bytes/,
    ],
    [
      'a graph with damage inside',
      () =>
        copyOf('mini-encoder', (folder) => {
          const bytes = readFileSync(graphOf(folder));
          for (let at = 2_000; at < bytes.length; at += 97) bytes[at] = 0xff;
          writeFileSync(graphOf(folder), bytes);
        }),
      INVALID,
      /onnx\/model\.onnx is not an ONNX model/,
    ],
    [
      'a file that is no graph',
      () => copyOf('mini-encoder', (folder) => writeFileSync(graphOf(folder), 'PK\u0003\u0004zip')),
      INVALID,
      /onnx\/model\.onnx is not an ONNX model/,
    ],
    [
      'an operator that the runtime lacks',
      () => tiny('Zap'),
      'FAILED_PRECONDITION',
      /the graph can't be loaded: .*Zap/,
    ],
    [
      'a path out of the package',
      () =>
        copyOf('mini-encoder', (folder) =>
          writeFileSync(join(folder, 'llmos.json'), '{"graph":"../model.onnx"}'),
        ),
      INVALID,
      /graph must be a path inside the package, not "\.\.\/model\.onnx"/,
    ],
    [
      'a link',
      () =>
        copyOf('mini-encoder', (folder) => symlinkSync('/etc/passwd', join(folder, 'vocab.txt'))),
      INVALID,
      /"vocab\.txt" is a link/,
    ],
    [
      'a tokenizer that is none',
      () =>
        copyOf('mini-encoder', (folder) =>
          writeFileSync(join(folder, 'tokenizer.json'), '{"model":{"type":"Strange"}}'),
        ),
      'FAILED_PRECONDITION',
      /tokenizer\.json can't be used/,
    ],
    [
      'a config that is no JSON',
      () => copyOf('mini-encoder', (folder) => writeFileSync(join(folder, 'config.json'), '{"a":')),
      INVALID,
      /config\.json is not JSON/,
    ],
  ];
  it.each(cases)('%s', async (_name, folder, code, message) => {
    const refused = await checkPackage(folder()).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code, message: expect.stringMatching(message) as unknown });
    await requester.expectStillGood();
  });

  it('files of a registration that leave the package, or were never stored', async () => {
    const { description } = await describeTiny();
    const { manifest, files, digest, footprintBytes } = description;
    const request = { name: 'escape', digest, manifest, footprintBytes };
    const [file] = files;
    for (const path of ['../../etc/passwd', '/etc/passwd', 'a/../b', 'a\\b']) {
      await requester.expectRefusal({
        name: path,
        subject: 'sys.operator.model-add',
        body: { ...request, files: [{ ...file, path }] },
        code: 'INVALID_ARGUMENT',
        message: /must be relative, with \/ and without \.\./,
      });
    }
    await requester.expectRefusal({
      name: 'absent',
      subject: 'sys.operator.model-add',
      body: { ...request, files: [{ path: 'a.onnx', sha256: 'e'.repeat(64), bytes: 7 }] },
      code: 'FAILED_PRECONDITION',
      message: /1 of 1 files are not in the object store: "a\.onnx" \(sha256 e{64}, 7 bytes\)/,
    });
  });
});

describe('a model that was added', () => {
  it('and is larger than any node ends its tasks at once, saying by how much', async () => {
    const { folder, description } = await describeTiny();
    await addAs('giant', { folder, description: { ...description, footprintBytes: 10 ** 15 } });
    const answer = await requester.ask('call.default.infer', { model: 'giant', inputs: one });
    expect(answer).toMatchObject({
      ok: false,
      error: { code: 'FAILED_PRECONDITION', retryable: false },
    });
    expect(answer.error?.message).toMatch(/giant@1 .*1000000000000000/);
    await requester.expectStillGood();
  });

  it('whose stored bytes are not those of its digest ends its tasks with both digests', async () => {
    const of = await describeTiny();
    await addAs('forged', of);
    const graph = of.description.files.find((file) => file.path.endsWith('.onnx'));
    const ledger = await openLedger(system.nats.url);
    const store = await ledger.connection.jetstream(PATIENT).views.os(PACKAGE_STORE);
    const bytes = readFileSync(graphOf(of.folder));
    bytes[bytes.length - 1] = 0x7f;
    await store.putBlob({ name: packageObjectName(graph?.sha256 ?? '') }, bytes);
    await ledger.close();
    const answer = await requester.ask('call.default.infer', { model: 'forged', inputs: one });
    expect(answer).toMatchObject({ ok: false });
    expect(answer.error?.message).toMatch(/onnx\/model\.onnx has sha256 [0-9a-f]{64}, not/);
    await requester.expectStillGood();
  });

  it('and throws at run time ends that task only', async () => {
    const ids = (id: number) => ({ type: 'int64', dims: [1, 2], data: [id, 1] });
    const inputs = (id: number) => ({
      input_ids: ids(id),
      attention_mask: ids(1),
      token_type_ids: ids(0),
    });
    const bad = { model: 'mini-encoder', inputs: inputs(999_999) };
    await requester.expectRefusal({
      name: 'a token beyond the vocabulary',
      subject: 'call.default.infer',
      body: bad,
      code: 'INVALID_ARGUMENT',
      message: /the model failed: .*Gather.*idx=999999 must be within/,
    });
    const good = { model: 'mini-encoder', inputs: { ...inputs(7), token_type_ids: ids(0) } };
    expect((await requester.ask('call.default.infer', good)).ok).toBe(true);
    const rows = (await system.os.ps()).filter((row) => row.model.startsWith('mini-encoder'));
    expect(rows).toMatchObject([{ state: 'ready', incarnation: 1 }]);
  });
});

describe('a tokenizer whose pattern explodes', () => {
  const evil = `${'a'.repeat(60)}!`;
  beforeAll(async () => {
    const folder = copyOf('mini-encoder', (copy) => {
      const path = join(copy, 'tokenizer.json');
      const tokenizer = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
      tokenizer['pre_tokenizer'] = {
        type: 'Split',
        pattern: { Regex: '^(a+)+$' },
        behavior: 'Isolated',
        invert: false,
      };
      writeFileSync(path, JSON.stringify(tokenizer));
    });
    await system.addModel('exploding', folder);
    await system.os.embed({ model: 'exploding', text: 'hello' });
  });

  async function hostOf(): Promise<{ osPid?: number; incarnation: number } | undefined> {
    const rows = await system.os.ps();
    return rows.find((row) => row.model.startsWith('exploding') && row.state === 'ready');
  }

  it('holds up nobody else, and its task ends by its deadline', async () => {
    const options = { headers: { 'Llmos-Timeout-Ms': '2000' } };
    const stuck = requester.ask('call.default.embed', { model: 'exploding', text: evil }, options);
    const body = { model: 'mini-encoder', text: 'meanwhile' };
    expect((await requester.ask('call.default.embed', body)).ok).toBe(true);
    expect(await stuck).toMatchObject({ ok: false, error: { code: 'DEADLINE_EXCEEDED' } });
    await requester.expectStillGood();
    // The thread that hangs is given up with its process; the next one is good again.
    const again = { model: 'exploding', text: 'hello' };
    expect((await requester.ask('call.default.embed', again)).ok).toBe(true);
  });

  it('and that takes its process along each time ends after its attempts, as a dead letter', async () => {
    const task = await system.os.submit(
      'embed',
      { model: 'exploding', text: evil },
      { id: 'fatal', maxAttempts: 2 },
    );
    const killed = new Set<number>();
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      const host = await waitFor(
        async () => {
          const found = await hostOf();
          const isRunning = (await task.status()).state === 'running';
          return isRunning && !killed.has(found?.osPid ?? 0) ? found : undefined;
        },
        { what: `attempt ${attempt} to run` },
      );
      killed.add(host.osPid ?? 0);
      process.kill(host.osPid ?? 0, 'SIGKILL');
    }
    await expect(task.result()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const ledger = await openLedger(system.nats.url);
    expect(await ledger.countOf('LLMOS_DEAD')).toBe(1);
    await ledger.close();
    const again = { model: 'exploding', text: 'hello' };
    expect((await requester.ask('call.default.embed', again)).ok).toBe(true);
    await requester.expectStillGood();
  });
});

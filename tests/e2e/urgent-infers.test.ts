/** A call in the foreground finds a thread, though what runs can't be interrupted. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeGraph, makeGraph, makeNode, makeTensor, makeValueInfo } from '@llmos/onnx';
import type { TestSystem } from '../support/test-system';
import { startTestSystem } from '../support/test-system';
import { waitFor } from '../support/wait-for';

let system: TestSystem;
let folder: string;
beforeAll(async () => {
  system = await startTestSystem();
  folder = mkdtempSync(join(tmpdir(), 'llmos-turns-'));
  mkdirSync(join(folder, 'onnx'));
  writeFileSync(join(folder, 'onnx/model.onnx'), turnsGraph());
  writeFileSync(join(folder, 'llmos.json'), JSON.stringify({ task: 'infer', threads: 2 }));
  await system.addModel('turns', folder);
  await turn(1);
});
afterAll(async () => {
  await system?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** `y` is one 1 added for each of `turns`: one run of the model that takes as long as is asked. */
function turnsGraph(): Uint8Array {
  const body = makeGraph({
    name: 'turn',
    inputs: [
      makeValueInfo('index', 'int64', []),
      makeValueInfo('goes', 'bool', []),
      makeValueInfo('before', 'float32', [1]),
    ],
    nodes: [
      makeNode('Identity', { inputs: ['goes'], outputs: ['goesOn'] }),
      makeNode('Add', { inputs: ['before', 'one'], outputs: ['after'] }),
    ],
    outputs: [makeValueInfo('goesOn', 'bool', []), makeValueInfo('after', 'float32', [1])],
    initializers: [makeTensor('one', 'float32', [1], [1])],
  });
  const graph = makeGraph({
    inputs: [makeValueInfo('turns', 'int64', [])],
    nodes: [
      makeNode('Loop', { inputs: ['turns', '', 'zero'], outputs: ['y'], attributes: { body } }),
    ],
    outputs: [makeValueInfo('y', 'float32', [1])],
    initializers: [makeTensor('zero', 'float32', [1], [0])],
  });
  return encodeGraph(graph, { usesRuntimeOperators: false });
}

async function turn(turns: number, options: { class?: 'batch'; id?: string } = {}) {
  const inputs = { turns: { type: 'int64', dims: [], data: [turns] } } as const;
  const { outputs } = await system.os.infer({ model: 'turns', inputs }, options);
  return outputs['y']?.data;
}

it('an interactive infer is answered while batch infers run as long as they like', async () => {
  const ended: string[] = [];
  const bulk = ['bulk-0', 'bulk-1'].map(async (id) => {
    expect(await turn(MANY_TURNS, { class: 'batch', id })).toBeDefined();
    ended.push(id);
  });
  await waitFor(async () => (await system.os.ps()).some((row) => row.running === bulk.length), {
    what: 'all of the bulk to be there',
  });
  // More than one: what ended just before the first of them would be told of by then.
  for (let count = 1; count <= 20; count += 1) {
    expect([...((await turn(count)) ?? [])]).toEqual([count]);
  }
  expect(ended).toEqual([]);
  await Promise.all(bulk);
});

/** Seconds of one core. */
const MANY_TURNS = 3_000_000;

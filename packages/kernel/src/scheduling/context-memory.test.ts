import type { FunctionName, ProcessContexts } from '@llmos/base';
import { CoreFixture, modelOf } from '../core-fixture';
import type { ProcessAddress } from '../kernel-decision';

const MIB = 1024 * 1024;

function contextsOf(mib: number): ProcessContexts {
  const bytes = (mib / 2) * MIB;
  const counts = { running: 1, waiting: 0, saved: 1 };
  return { ...counts, rowBytes: bytes, savedBytes: 0, prefixBytes: bytes };
}

function beat(core: CoreFixture, of: ProcessAddress, contexts: ProcessContexts): void {
  const reported = { pid: of.pid, incarnation: of.incarnation, contexts };
  core.apply({
    kind: 'node-heartbeat',
    nodeId: of.nodeId,
    freeMemoryBytes: 1,
    contexts: [reported],
  });
}

it('what generations hold is promised to nobody else until they give it back', () => {
  const story = modelOf('story', { task: 'generate', mib: 300 });
  const core = new CoreFixture().knowModels(story, modelOf('mini', { mib: 300 })).attachNode();
  const generate = { function: 'generate' as FunctionName, model: { name: 'story' } };
  core.store(core.task(generate));
  const [address] = core.startAll();
  if (address === undefined) throw new Error('nothing was started');
  beat(core, address, contextsOf(500));
  core.store(core.task({ function: 'embed' as FunctionName, model: { name: 'mini' } }));
  expect(core.take('start-process')).toHaveLength(0);
  beat(core, { ...address, incarnation: 9 }, contextsOf(0));
  expect(core.take('start-process')).toHaveLength(0);
  beat(core, address, contextsOf(100));
  expect(core.take('start-process')).toMatchObject([{ target: 'mini@1' }]);
});

it('what a process really takes is shown, and promised to nobody else until it is given back', () => {
  const core = new CoreFixture()
    .knowModels(modelOf('wide', { task: 'infer', mib: 300 }), modelOf('mini', { mib: 300 }))
    .attachNode();
  core.store(core.task({ function: 'infer' as FunctionName, model: { name: 'wide' } }));
  const [address] = core.startAll();
  if (address === undefined) throw new Error('nothing was started');
  const { pid, incarnation } = address;
  const take = (mib: number, of = incarnation): void => {
    const memory = [{ pid, incarnation: of, residentBytes: mib * MIB }];
    core.apply({ kind: 'node-heartbeat', nodeId: address.nodeId, freeMemoryBytes: 1, memory });
  };
  const shown = (): number => Number(core.core.processes(core.now())[0]?.footprintBytes) / MIB;
  const atFirst = shown();
  take(atFirst + 500);
  expect(shown()).toBe(atFirst + 500);
  core.store(core.task({ function: 'embed' as FunctionName, model: { name: 'mini' } }));
  expect(core.take('start-process')).toHaveLength(0);
  take(0, incarnation + 1);
  expect(shown()).toBe(atFirst + 500);
  // What every program takes for a moment moves nothing.
  take(atFirst + 1);
  expect(shown()).toBe(atFirst + 1);
  expect(core.take('start-process')).toMatchObject([{ target: 'mini@1' }]);
});

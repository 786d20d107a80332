/**
 * Program for tests: greedy generations on the rows of a device, in an OS process of their own,
 * since ONNX Runtime does not load inside a test runner's realm. Takes a job over IPC, sends a
 * report, and ends. On the device `cpu` the rows are those of the host.
 */
import { join } from 'node:path';
import { seededRandom, toErrorBody } from '@llmos/base';
import { openRowCopier } from '../adapters/onnxruntime/onnx-row-copier';
import { openOnnxRunner } from '../adapters/onnxruntime/onnx-runner';
import { scanGraph } from '../adapters/onnxruntime/graph-scan';
import { readPackageDocuments } from '../adapters/package-files/model-documents-reader';
import { DecoderGraph } from '../engine/rows/decoder-graph';
import { DeviceRows } from '../engine/rows/device-rows';
import { SharedRows } from '../engine/rows/shared-rows';
import { readGenerationSettings } from '../models/model-settings';
import type { ModelRunner, RunnerTensor } from '../ports/model-runner';
import type { RowCopier } from '../ports/row-copier';
import type { SwitchingReport } from './switching-rows';
import { generateSwitching } from './switching-rows';

export interface DeviceRowsJob {
  readonly packageFolder: string;
  /** Inside the folder. */
  readonly graph: string;
  readonly device: string;
  readonly prompts: readonly (readonly number[])[];
  readonly tokenCount: number;
  readonly maxRows: number;
  readonly maxTokens: number;
  readonly seed: number;
  readonly switchChance: number;
}

export interface DeviceRowsReport extends SwitchingReport {
  /** Of the device, by step. */
  readonly liveTensors: readonly number[];
  readonly residentBytes: readonly number[];
  /** Of the device, once all rows are closed. */
  readonly leftTensors: number;
  readonly violations: readonly string[];
}

/** Counts the tensors of the device that nobody disposed of yet. */
class LiveTensors {
  private readonly live = new Set<RunnerTensor>();

  get count(): number {
    return this.live.size;
  }

  add(tensor: RunnerTensor): void {
    if (tensor.kind !== 'device') return;
    this.live.add(tensor);
    const dispose = tensor.dispose.bind(tensor);
    tensor.dispose = () => {
      this.live.delete(tensor);
      dispose();
    };
  }

  runner(runner: ModelRunner): ModelRunner {
    const { provider, inputs, outputs } = runner;
    return {
      ...{ provider, inputs, outputs },
      run: async (request) => {
        const results = await runner.run(request);
        for (const tensor of results.values()) this.add(tensor);
        return results;
      },
      close: () => runner.close(),
    };
  }

  copier(copier: RowCopier): RowCopier {
    const counted = (tensors: readonly RunnerTensor[]): readonly RunnerTensor[] => {
      for (const tensor of tensors) this.add(tensor);
      return tensors;
    };
    return {
      copy: async (tensors, layout) => counted(await copier.copy(tensors, layout)),
      download: (tensors, layout) => copier.download(tensors, layout),
      place: async (batch, source, row) => counted(await copier.place(batch, source, row)),
      close: () => copier.close(),
    };
  }
}

async function run(job: DeviceRowsJob): Promise<DeviceRowsReport> {
  const { device, maxRows, maxTokens } = job;
  const graphFile = join(job.packageFolder, job.graph);
  const facts = scanGraph(graphFile, job.graph);
  const presents = facts.outputs.map(({ name }) => name).filter((name) => /^present/.test(name));
  const tensors = new LiveTensors();
  const opened = await openOnnxRunner({
    ...{ graphFile, device, intraOpThreads: 1, deviceOutputs: presents },
  });
  const runner = tensors.runner(opened);
  const copier = tensors.copier(openRowCopier(device));
  const documents = readPackageDocuments(job.packageFolder);
  const graph = new DecoderGraph(runner, readGenerationSettings(documents, undefined));
  const rows =
    device === 'cpu'
      ? new SharedRows({ ...{ graph, maxRows, maxTokens }, hasDependentRows: false })
      : new DeviceRows({ graph, copier, maxRows, maxTokens });
  const liveTensors: number[] = [];
  const residentBytes: number[] = [];
  const violations = new Set<string>();
  const report = await generateSwitching({
    rows,
    prompts: job.prompts,
    tokenCount: job.tokenCount,
    random: seededRandom(job.seed),
    switchChance: job.switchChance,
    onStep: () => {
      liveTensors.push(tensors.count);
      residentBytes.push(process.memoryUsage.rss());
      for (const violation of rows.checkRows()) violations.add(violation);
    },
  });
  rows.closeAll();
  await copier.close();
  await runner.close();
  return {
    ...report,
    ...{ liveTensors, residentBytes, leftTensors: tensors.count, violations: [...violations] },
  };
}

process.on('message', (job: DeviceRowsJob) => {
  run(job)
    .catch((thrown: unknown) => ({ failed: toErrorBody(thrown).message }))
    .then((report) => process.send?.(report, () => process.disconnect()))
    .catch(() => process.exit(1));
});

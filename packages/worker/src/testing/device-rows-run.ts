/** For tests: one job of `device-rows-driver`, in a process of its own. */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { onnxEnvironment } from '../adapters/os/onnx-environment';
import type { DeviceRowsJob, DeviceRowsReport } from './device-rows-driver';

const DRIVER = join(__dirname, '..', '..', 'dist', 'testing', 'device-rows-driver.js');

/** Rejects where the program ends without a report, or reports a failure. */
export function runDeviceRows(job: DeviceRowsJob): Promise<DeviceRowsReport> {
  return new Promise((resolve, reject) => {
    const child = fork(DRIVER, {
      serialization: 'advanced',
      stdio: 'ignore',
      env: onnxEnvironment(),
    });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      reject(new Error(`the program ended with ${signal ?? code ?? 'nothing'} before its report`));
    });
    child.on('message', (report: DeviceRowsReport | { readonly failed: string }) => {
      if ('failed' in report) reject(new Error(report.failed));
      else resolve(report);
    });
    child.send(job);
  });
}

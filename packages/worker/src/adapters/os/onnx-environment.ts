/**
 * The environment of every child process that loads ONNX Runtime. Its telemetry is on by default on
 * Linux (it writes a device id and an event database below the home folder): a server's models are
 * nobody else's business, so it is off, unless the operator set the variable.
 */
export function onnxEnvironment(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return { ORT_DISABLE_TELEMETRY: '1', ...env };
}

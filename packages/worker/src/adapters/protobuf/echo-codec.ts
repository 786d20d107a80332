/** Bodies of `echo` as protobuf. */
import { LlmosError } from '@llmos/base';
import { functions } from '@llmos/proto';

/** Throws INVALID_ARGUMENT where the body is no EchoInput. */
export function echoProtobuf(body: Uint8Array): Uint8Array {
  let input: functions.EchoInput;
  try {
    input = functions.EchoInput.decode(body);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new LlmosError('INVALID_ARGUMENT', `input of echo: not an EchoInput: ${why}`, { cause });
  }
  const value: unknown = input.value;
  const result = { $case: 'echo', value: { value } } as const;
  return functions.TaskResult.encode({ usage: undefined, result }).finish();
}

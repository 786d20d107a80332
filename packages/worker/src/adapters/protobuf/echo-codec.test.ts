import { functions } from '@llmos/proto';
import { echoProtobuf } from './echo-codec';

it('gives back the value of an EchoInput', () => {
  const body = functions.EchoInput.encode({ value: { a: [1, 'x', null] } }).finish();
  const { result } = functions.TaskResult.decode(echoProtobuf(body));
  expect(result).toEqual({ $case: 'echo', value: { value: { a: [1, 'x', null] } } });
});

it.each([[[0x0a]], [[0x0a, 0xff, 0xff, 0xff, 0x7f]], [[0xff, 0xff, 0xff]]])(
  'refuses %j, which is none',
  (bytes) => {
    expect(() => echoProtobuf(Uint8Array.from(bytes))).toThrow('not an EchoInput');
  },
);

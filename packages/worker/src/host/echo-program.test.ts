import { functions } from '@llmos/proto';
import { echoProtobuf } from '../adapters/protobuf/echo-codec';
import { echoJson } from './echo-program';

const echo = (text: string): string => Buffer.from(echoJson(Buffer.from(text))).toString();

describe('echo', () => {
  it.each(['null', '"x"', '[1,2]', ' {"a":1} ', '12345678901234567890', '{"a":1,"a":2}', '1e400'])(
    'answers %s byte for byte',
    (text) => expect(echo(text)).toBe(`{"ok":true,"output":${text}}`),
  );

  it('leaves a byte order mark out', () => {
    expect(JSON.parse(echo('\ufeff{"a":1}'))).toEqual({ ok: true, output: { a: 1 } });
  });

  it.each(['', '{', 'undefined', '{"a":}', "{'a':1}"])('refuses %j', (text) => {
    expect(() => echo(text)).toThrow('not JSON');
  });

  it('refuses what is not UTF-8', () => {
    expect(() => echoJson(Uint8Array.from([0x22, 0xff, 0x22]))).toThrow('not JSON');
  });

  it('answers a protobuf value, and refuses bytes that are none', () => {
    const value = { a: [1, 'x', null, { b: true }] };
    const result = functions.TaskResult.decode(
      echoProtobuf(functions.EchoInput.encode({ value }).finish()),
    );
    expect(result.result).toEqual({ $case: 'echo', value: { value } });
    expect(() => echoProtobuf(Uint8Array.from([0x0a, 0xff, 0x01]))).toThrow('not an EchoInput');
  });
});

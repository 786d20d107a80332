import { status } from '@grpc/grpc-js';
import { ERROR_TRAITS } from '@llmos/base';

it('the codes of errors are those of gRPC, all but OK, with their numbers', () => {
  const ours = Object.entries(ERROR_TRAITS).map(([code, { grpcStatus }]) => [code, grpcStatus]);
  const theirs = Object.entries(status).filter(([, value]) => typeof value === 'number');
  expect(Object.fromEntries([...ours, ['OK', 0]])).toEqual(Object.fromEntries(theirs));
});

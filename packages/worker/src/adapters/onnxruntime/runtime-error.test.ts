import { LlmosError } from '@llmos/base';
import { reasonOf, runError } from './runtime-error';

/** As version 1.30 says them. */
const SOURCE = '/onnxruntime_src/onnxruntime/core/';
const RUN = "Non-zero status code returned while running Reshape node. Name:'y' Status Message: ";

describe('what the runtime says', () => {
  it.each([
    [
      'Load model from /srv/cache/packages/ab/model.onnx failed:Protobuf parsing failed.',
      'Protobuf parsing failed.',
    ],
    [
      "Load model from /srv/a b/m.onnx failed:Load model /srv/a b/m.onnx failed. File doesn't exist",
      "Load model m.onnx failed. File doesn't exist",
    ],
    [
      'External data path validation failed for initializer: w. Error: tensorprotoutils.cc:461 ' +
        'ValidateExternalDataPathFromDir External data path does not exist: "/srv/cache/w.bin"',
      'External data path validation failed for initializer: w. Error: External data path does ' +
        'not exist: "w.bin"',
    ],
    [
      `${RUN}${SOURCE}providers/cpu/tensor/reshape_helper.h:91 onnxruntime::ReshapeHelper::` +
        'ReshapeHelper(const onnxruntime::TensorShape&, onnxruntime::TensorShapeVector&, bool) ' +
        'input_shape_size == requested_shape_size was false. Input shape:{6}, requested:{4,4}\n',
      `${RUN}input_shape_size == requested_shape_size was false. Input shape:{6}, requested:{4,4}`,
    ],
    [
      `${RUN}${SOURCE}framework/op_kernel.cc:83 virtual OrtValue* onnxruntime::OpKernelContext::` +
        'OutputMLValue(int, const onnxruntime::TensorShape&) [ONNXRuntimeError] : 1 : FAIL : ' +
        'tensor.cc:57 CalculateTensorStorageSize Tensor shape.Size() must be >= 0\n',
      `${RUN}Tensor shape.Size() must be >= 0`,
    ],
    [
      `${SOURCE}session/a.cc:7 auto onnxruntime::Run<T>::operator()(std::function<void (int)>) ` +
        'const [with T = float; U = int]\nno kernel for (Relu) of /encoder/layer.0/Relu\nStack:',
      'no kernel for (Relu) of /encoder/layer.0/Relu',
    ],
    [
      `${RUN}matmul_helper.h:59 Compute MatMul dimension mismatch`,
      `${RUN}MatMul dimension mismatch`,
    ],
    ['indices are out of bounds, idx=77', 'indices are out of bounds, idx=77'],
    [`${SOURCE}common/x.cc:1 void f()\n`, 'the runtime does not say why'],
    ['', 'the runtime does not say why'],
  ])('is told without its sources and folders: %s', (said, told) => {
    const folders = ['/srv/cache', '/srv/cache/packages/ab', '/srv/a b'];
    expect(reasonOf(new Error(said), folders)).toBe(told);
  });

  it('is bounded', () => {
    expect(reasonOf('x'.repeat(10_000), []).length).toBeLessThan(500);
  });

  it('tells a run that found no memory from one that is wrong', () => {
    const size = 26_388_279_066_624;
    const said = `${RUN}${SOURCE}framework/bfc_arena.cc:360 void* onnxruntime::BFCArena::Alloc(size_t) Failed to allocate memory for requested buffer of size ${size}`;
    for (const message of [said, `${RUN}std::bad_alloc`]) {
      const error = runError(new Error(message), []);
      expect(error).toBeInstanceOf(LlmosError);
      expect(error).toMatchObject({ code: 'RESOURCE_EXHAUSTED', retryable: true });
    }
    expect(runError(new Error(said), []).message).toMatch(/26388279066624 bytes/);
    expect(runError(new Error('dims differ'), [])).toMatchObject({ code: 'INTERNAL' });
  });
});

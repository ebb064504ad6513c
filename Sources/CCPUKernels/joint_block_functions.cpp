#include "joint_block.h"

#if defined(__x86_64__)
#include "ctorch_tensor.h"
#include "kernels.h"

#include <ATen/ATen.h>

namespace tempflow::cpu::SIMD {

namespace {

JointBlock *implementation(CPUJointBlock *block) { return reinterpret_cast<JointBlock *>(block); }

Stream streamOf(const CPUBlockStream &from) {
  Stream stream;
  const CPULinear layers[] = {from.modulation, from.query, from.key, from.value, from.output, from.up, from.down};
  for (int i = 0; i < 7; ++i) {
    stream.layers()[i]->weight = borrow(layers[i].weight);
    stream.layers()[i]->bias = borrow(layers[i].bias);
  }
  if (!stream.isLast()) stream.queryNorm = borrow(from.query_norm);
  stream.keyNorm = borrow(from.key_norm);
  return stream;
}

CPUJointBlock *jointBlock(const CPUBlockStream *streams, int64_t heads, int64_t width) {
  auto block = c10::make_intrusive<JointBlock>();
  block->heads = heads;
  block->width = width;
  block->streams = {streamOf(streams[0]), streamOf(streams[1])};
  return reinterpret_cast<CPUJointBlock *>(block.release());
}

void release(CPUJointBlock *block) { c10::raw::intrusive_ptr::decref(implementation(block)); }

std::array<at::Tensor, 2> forward(CPUJointBlock *block, const std::array<at::Tensor, 3> &x, const at::Tensor &keyBias,
                                  double epsilon, bool records) {
  JointBlock &joint = *implementation(block);
  if (records) return record(&joint, x, keyBias, epsilon);
  std::array<at::Tensor, 2> outputs = {at::empty_like(x[0])};
  if (!joint.streams[1].isLast()) outputs[1] = at::empty_like(x[1]);
  float *const out[] = {mutableData(outputs[0]), mutableData(outputs[1])};
  joint.forward({x[0].size(0), {x[0].size(1), x[1].size(1)}, {data(x[0]), data(x[1])}, data(x[2]), data(keyBias),
                 static_cast<float>(epsilon)},
                out);
  return outputs;
}

} // namespace

const Kernels kernels = {instructionsName, jointBlock, release, forward};

} // namespace tempflow::cpu::SIMD
#endif

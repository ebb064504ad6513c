#include "cpu_kernels.h"

#if defined(__x86_64__)
#include "ctorch_failure.h"
#include "ctorch_tensor.h"
#include "joint_block.h"

#include <ATen/ATen.h>

using namespace tempflow::cpu;

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

std::array<at::Tensor, 2> evaluate(JointBlock &block, const std::array<at::Tensor, 3> &x, const at::Tensor &keyBias,
                                   double epsilon) {
  std::array<at::Tensor, 2> outputs = {at::empty_like(x[0])};
  if (!block.streams[1].isLast()) outputs[1] = at::empty_like(x[1]);
  float *const out[] = {mutableData(outputs[0]), mutableData(outputs[1])};
  block.forward({x[0].size(0), {x[0].size(1), x[1].size(1)}, {data(x[0]), data(x[1])}, data(x[2]), data(keyBias),
                 static_cast<float>(epsilon)},
                out);
  return outputs;
}

} // namespace

const char *cpu_joint_block_unsupported(void) { return hasAVX512() ? nullptr : "the processor has no AVX-512"; }

CPUJointBlock *cpu_joint_block(const CPUBlockStream *streams, int64_t heads, int64_t width) {
  auto block = c10::make_intrusive<JointBlock>();
  block->heads = heads;
  block->width = width;
  block->streams = {streamOf(streams[0]), streamOf(streams[1])};
  return reinterpret_cast<CPUJointBlock *>(block.release());
}

void cpu_joint_block_release(CPUJointBlock *block) { c10::raw::intrusive_ptr::decref(implementation(block)); }

bool cpu_joint_block_forward(CPUJointBlock *block, const CTorchTensor *const *inputs, const CTorchTensor *key_bias,
                             double epsilon, bool record, CTorchTensor **outputs) {
  return guarded([&] {
    JointBlock *const joint = implementation(block);
    const std::array<at::Tensor, 3> x = {borrow(inputs[0]), borrow(inputs[1]), borrow(inputs[2])};
    const at::Tensor keyBias = borrow(key_bias);
    std::array<at::Tensor, 2> found = record ? tempflow::cpu::record(joint, x, keyBias, epsilon)
                                             : evaluate(*joint, x, keyBias, epsilon);
    for (int s = 0; s < 2; ++s) outputs[s] = found[s].defined() ? own(std::move(found[s])) : nullptr;
  });
}
#else
const char *cpu_joint_block_unsupported(void) { return "the processor is not an x86-64"; }
CPUJointBlock *cpu_joint_block(const CPUBlockStream *, int64_t, int64_t) { return nullptr; }
void cpu_joint_block_release(CPUJointBlock *) {}
bool cpu_joint_block_forward(CPUJointBlock *, const CTorchTensor *const *, const CTorchTensor *, double, bool,
                             CTorchTensor **) {
  return false;
}
#endif

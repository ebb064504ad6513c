#include "cpu_kernels.h"

#if defined(__x86_64__)
#include "ctorch_failure.h"
#include "ctorch_tensor.h"
#include "kernels.h"

#include <ATen/Version.h>

#include <string>

using namespace tempflow::cpu;

namespace {

// The kernels of this processor, null without AVX2. libtorch's choice is followed, which its environment variable
// ATEN_CPU_CAPABILITY may lower.
const Kernels *kernelsHere() {
  static const Kernels *const found = []() -> const Kernels * {
    const std::string used = at::get_cpu_capability();
    if (used == "AVX512" && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
      return &avx512::kernels;
    const bool usesAVX2 = used == "AVX512" || used == "AVX2";
    return usesAVX2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &avx2::kernels : nullptr;
  }();
  return found;
}

} // namespace

const char *cpu_kernel_instructions(void) { return kernelsHere() ? kernelsHere()->instructions : nullptr; }

const char *cpu_joint_block_unsupported(void) {
  return kernelsHere() ? nullptr : "libtorch uses neither AVX-512 nor AVX2 with FMA";
}

CPUJointBlock *cpu_joint_block(const CPUBlockStream *streams, int64_t heads, int64_t width) {
  return kernelsHere()->jointBlock(streams, heads, width);
}

void cpu_joint_block_release(CPUJointBlock *block) { kernelsHere()->release(block); }

bool cpu_joint_block_forward(CPUJointBlock *block, const CTorchTensor *const *inputs, const CTorchTensor *key_bias,
                             double epsilon, bool record, CTorchTensor **outputs) {
  return guarded([&] {
    std::array<at::Tensor, 2> found = kernelsHere()->forward(
        block, {borrow(inputs[0]), borrow(inputs[1]), borrow(inputs[2])}, borrow(key_bias), epsilon, record);
    for (int s = 0; s < 2; ++s) outputs[s] = found[s].defined() ? own(std::move(found[s])) : nullptr;
  });
}
#else
const char *cpu_kernel_instructions(void) { return nullptr; }
const char *cpu_joint_block_unsupported(void) { return "the processor is not an x86-64"; }
CPUJointBlock *cpu_joint_block(const CPUBlockStream *, int64_t, int64_t) { return nullptr; }
void cpu_joint_block_release(CPUJointBlock *) {}
bool cpu_joint_block_forward(CPUJointBlock *, const CTorchTensor *const *, const CTorchTensor *, double, bool,
                             CTorchTensor **) {
  return false;
}
#endif

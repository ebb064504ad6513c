// The kernels of an instruction set.
#pragma once

#include "cpu_kernels.h"

#include <ATen/core/Tensor.h>

#include <array>

namespace tempflow::cpu {

struct Kernels {
  const char *instructions;
  CPUJointBlock *(*jointBlock)(const CPUBlockStream *streams, int64_t heads, int64_t width);
  void (*release)(CPUJointBlock *);
  // `x` holds both streams and the conditioning; the second output is undefined for a last stream.
  std::array<at::Tensor, 2> (*forward)(CPUJointBlock *, const std::array<at::Tensor, 3> &x, const at::Tensor &keyBias,
                                       double epsilon, bool record);
};

namespace avx512 {
extern const Kernels kernels;
}
namespace avx2 {
extern const Kernels kernels;
}

} // namespace tempflow::cpu

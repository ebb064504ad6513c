// Convolutions in bfloat16 on processors that do not multiply it: in float32, which libtorch's library computes several
// times as fast as it emulates the processor's operation. Others stay libtorch's.

#include "bfloat16_product.h"
#include "vectors.h"

#if defined(__x86_64__)
#include <ATen/core/Tensor.h>
#include <ATen/ops/mkldnn_convolution_compositeexplicitautograd_dispatch.h>

namespace {

at::Tensor convolution(const at::Tensor &x, const at::Tensor &weight, const std::optional<at::Tensor> &bias,
                       c10::SymIntArrayRef padding, c10::SymIntArrayRef stride, c10::SymIntArrayRef dilation,
                       c10::SymInt groups) {
  using at::compositeexplicitautograd::mkldnn_convolution_symint;
  if (!widensBFloat16() || x.scalar_type() != at::kBFloat16 || weight.scalar_type() != at::kBFloat16)
    return mkldnn_convolution_symint(x, weight, bias, padding, stride, dilation, groups);
  const auto offset = bias && bias->defined() ? std::optional(bias->to(at::kFloat)) : bias;
  return mkldnn_convolution_symint(x.to(at::kFloat), weight.to(at::kFloat), offset, padding, stride, dilation, groups)
      .to(at::kBFloat16);
}

const bool installed = replacing([](torch::Library &library) {
  library.impl("mkldnn_convolution", TORCH_FN(convolution));
});

} // namespace
#endif

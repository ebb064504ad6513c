// Operators that are one kernel on a GPU and several, or one of another name, on the CPU.
#include "host_call.h"
#include "kernels.h"
#include "record.h"

#include <ATen/Context.h>
#include <ATen/SDPBackend.h>
#include <ATen/TensorOperators.h>
#include <ATen/native/transformers/attention.h>
#include <ATen/ops/_fused_rms_norm.h>
#include <ATen/ops/_log_softmax_backward_data_ops.h>
#include <ATen/ops/_log_softmax_ops.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward.h>
#include <ATen/ops/_softmax_backward_data_ops.h>
#include <ATen/ops/_softmax_ops.h>
#include <ATen/ops/empty.h>
#include <numeric>
#include <torch/library.h>

namespace simulation {
namespace {

using at::Tensor;
using OptionalTensor = std::optional<Tensor>;

// Counts the kernel and checks that its tensors are on one device.
HostCall kernel(const char *name, std::initializer_list<Tensor> tensors) {
  const c10::Device device = tensors.begin()->device();
  for (const Tensor &tensor : tensors)
    TORCH_CHECK(!tensor.defined() || tensor.device() == device,
                "Expected all tensors to be on the same device, but found at least two devices, ", device, " and ",
                tensor.device(), "! (when checking arguments for ", name, ")");
  countKernel(name);
  return HostCall(device);
}

// Attention. [B, H, S, D] for queries, keys and values.

// Flash attention for half precision without a mask, else memory-efficient attention, else separate products. CUDA has
// more conditions. The first two are the same kernel of the CPU.
int64_t chooseAttention(const Tensor &query, const Tensor &key, const Tensor &value, const OptionalTensor &mask,
                        double dropout, bool isCausal, std::optional<double>, bool groupsQueries) {
  const at::Context &context = at::globalContext();
  bool fits = dropout == 0 && !groupsQueries && !(mask && mask->requires_grad()) && !(mask && isCausal);
  for (const Tensor &tensor : {query, key, value})
    fits &= tensor.dim() == 4 && tensor.numel() > 0 && tensor.stride(-1) == 1 && tensor.size(0) == query.size(0) &&
            tensor.size(1) == query.size(1) && tensor.size(3) == query.size(3);
  const bool isHalf = query.scalar_type() == at::kHalf || query.scalar_type() == at::kBFloat16;
  const auto backend = [&] {
    if (fits && isHalf && !mask && context.userEnabledFlashSDP()) return at::SDPBackend::flash_attention;
    if (fits && context.userEnabledMemEfficientSDP()) return at::SDPBackend::efficient_attention;
    return context.userEnabledMathSDP() ? at::SDPBackend::math : at::SDPBackend::error;
  }();
  return static_cast<int64_t>(backend);
}

std::tuple<Tensor, Tensor> attend(HostCall &call, const Tensor &query, const Tensor &key, const Tensor &value,
                                  const OptionalTensor &mask, bool isCausal, std::optional<double> scale) {
  const OptionalTensor hostMask = mask ? OptionalTensor(call.host(*mask)) : mask;
  const auto [output, logSumExp] = at::_scaled_dot_product_flash_attention_for_cpu(
      call.host(query), call.host(key), call.host(value), 0, isCausal, hostMask, scale);
  return {call.device(output), call.device(logSumExp)};
}

std::tuple<Tensor, Tensor, Tensor> attendBackward(HostCall &call, const Tensor &gradient, const Tensor &query,
                                                  const Tensor &key, const Tensor &value, const OptionalTensor &mask,
                                                  const Tensor &output, const Tensor &logSumExp, bool isCausal,
                                                  std::optional<double> scale) {
  const OptionalTensor hostMask = mask && mask->defined() ? OptionalTensor(call.host(*mask)) : std::nullopt;
  const auto [queries, keys, values] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
      call.host(gradient), call.host(query), call.host(key), call.host(value), call.host(output), call.host(logSumExp),
      0, isCausal, hostMask, scale);
  return {call.device(queries), call.device(keys), call.device(values)};
}

// Stands for the generator's state, which dropout would need.
Tensor noState(const Tensor &query) { return at::empty({}, query.options().dtype(at::kLong)); }

std::tuple<Tensor, Tensor, Tensor, Tensor> efficientAttention(const Tensor &query, const Tensor &key,
                                                              const Tensor &value, const OptionalTensor &mask, bool,
                                                              double dropout, bool isCausal,
                                                              std::optional<double> scale) {
  TORCH_CHECK_NOT_IMPLEMENTED(dropout == 0, "attention with dropout is not simulated");
  HostCall call = kernel("aten::_scaled_dot_product_efficient_attention", {query, key, value, mask.value_or(Tensor())});
  const auto [output, logSumExp] = attend(call, query, key, value, mask, isCausal, scale);
  return {output, logSumExp, noState(query), noState(query)};
}

std::tuple<Tensor, Tensor, Tensor, Tensor>
efficientAttentionBackward(const Tensor &gradient, const Tensor &query, const Tensor &key, const Tensor &value,
                           const Tensor &mask, const Tensor &output, const Tensor &logSumExp, const Tensor &,
                           const Tensor &, double, std::array<bool, 4>, bool isCausal, std::optional<double> scale) {
  if (!gradient.defined()) return {};
  HostCall call = kernel("aten::_scaled_dot_product_efficient_attention_backward",
                         {gradient, query, key, value, mask, output, logSumExp});
  const auto [queries, keys, values] =
      attendBackward(call, gradient, query, key, value, mask, output, logSumExp, isCausal, scale);
  return {queries, keys, values, Tensor()};
}

using FlashResult = std::tuple<Tensor, Tensor, Tensor, Tensor, c10::SymInt, c10::SymInt, Tensor, Tensor, Tensor>;

FlashResult flashAttention(const Tensor &query, const Tensor &key, const Tensor &value, double dropout, bool isCausal,
                           bool, std::optional<double> scale) {
  TORCH_CHECK(query.scalar_type() == at::kHalf || query.scalar_type() == at::kBFloat16,
              "FlashAttention only support fp16 and bf16 data type");
  TORCH_CHECK_NOT_IMPLEMENTED(dropout == 0, "attention with dropout is not simulated");
  HostCall call = kernel("aten::_scaled_dot_product_flash_attention", {query, key, value});
  const auto [output, logSumExp] = attend(call, query, key, value, {}, isCausal, scale);
  return {output,      logSumExp, Tensor(), Tensor(), query.size(2), key.size(2), noState(query), noState(query),
          Tensor()};
}

std::tuple<Tensor, Tensor, Tensor>
flashAttentionBackward(const Tensor &gradient, const Tensor &query, const Tensor &key, const Tensor &value,
                       const Tensor &output, const Tensor &logSumExp, const Tensor &, const Tensor &, c10::SymInt,
                       c10::SymInt, double, bool isCausal, const Tensor &, const Tensor &,
                       std::optional<double> scale) {
  if (!gradient.defined()) return {};
  HostCall call = kernel("aten::_scaled_dot_product_flash_attention_backward",
                         {gradient, query, key, value, output, logSumExp});
  return attendBackward(call, gradient, query, key, value, {}, output, logSumExp, isCausal, scale);
}

// Softmax. CUDA widens half precision to float32 within the kernel, the CPU does not.

template <typename Operator> Tensor softmax(const Tensor &input, int64_t dimension, bool widens) {
  HostCall call = kernel(Operator::name, {input});
  const Tensor host = call.host(input);
  return call.device(Operator::call(widens ? host.to(at::kFloat) : host, dimension, false));
}

template <typename Operator>
Tensor softmaxBackward(const Tensor &gradient, const Tensor &output, int64_t dimension, at::ScalarType inputType) {
  HostCall call = kernel(Operator::name, {gradient, output});
  const Tensor host = Operator::call(call.host(gradient), call.host(output), dimension, gradient.scalar_type());
  return call.device(host.to(inputType));
}

// RMS norm over the last dimensions: y = w * x * r with r = 1 / sqrt(mean(x^2) + epsilon).

std::tuple<Tensor, Tensor> rmsNorm(const Tensor &input, c10::IntArrayRef shape, const OptionalTensor &weight,
                                   std::optional<double> epsilon) {
  HostCall call = kernel("aten::_fused_rms_norm", {input, weight.value_or(Tensor())});
  const auto [output, reciprocal] = at::_fused_rms_norm(
      call.host(input), shape, weight ? OptionalTensor(call.host(*weight)) : weight, epsilon);
  return {call.device(output), call.device(reciprocal)};
}

// With n = x * r and g = w * dL/dy: dL/dx = r (g - n mean(g n)), dL/dw = sum of n dL/dy over the rows. In float32.
std::tuple<Tensor, Tensor> rmsNormBackward(const Tensor &gradient, const Tensor &input, c10::IntArrayRef shape,
                                           const Tensor &reciprocal, const OptionalTensor &weight,
                                           std::array<bool, 2> wanted) {
  HostCall call = kernel("aten::_fused_rms_norm_backward", {gradient, input, reciprocal, weight.value_or(Tensor())});
  const auto wide = [&](const Tensor &tensor) {
    const Tensor host = call.host(tensor);
    return host.scalar_type() == at::kDouble ? host : host.to(at::kFloat);
  };
  const bool isWeighted = weight && weight->defined();
  std::vector<int64_t> rows(input.dim() - shape.size()), columns(shape.size());
  std::iota(rows.begin(), rows.end(), 0);
  std::iota(columns.begin(), columns.end(), rows.size());

  const Tensor r = wide(reciprocal), normalized = wide(input) * r, output = wide(gradient);
  Tensor toInput, toWeight;
  if (wanted[0]) {
    const Tensor g = isWeighted ? output * wide(*weight) : output;
    toInput = (r * (g - normalized * (g * normalized).mean(columns, true))).to(input.scalar_type());
  }
  if (wanted[1] && isWeighted) {
    toWeight = output * normalized;
    if (!rows.empty()) toWeight = toWeight.sum(rows);
    toWeight = toWeight.to(weight->scalar_type());
  }
  return {call.device(toInput), call.device(toWeight)};
}

} // namespace

void registerFusedKernels(torch::Library &library) {
  library.impl("_fused_sdp_choice", &chooseAttention);
  // scaled_dot_product_attention takes the choice from here.
  at::native::_fused_sdp_choice_stub.set_cuda_dispatch_ptr(&chooseAttention);
  library.impl("_scaled_dot_product_efficient_attention", &efficientAttention);
  library.impl("_scaled_dot_product_efficient_attention_backward", &efficientAttentionBackward);
  library.impl("_scaled_dot_product_flash_attention", &flashAttention);
  library.impl("_scaled_dot_product_flash_attention_backward", &flashAttentionBackward);
  library.impl("_softmax", &softmax<at::_ops::_softmax>);
  library.impl("_softmax_backward_data", &softmaxBackward<at::_ops::_softmax_backward_data>);
  library.impl("_log_softmax", &softmax<at::_ops::_log_softmax>);
  library.impl("_log_softmax_backward_data", &softmaxBackward<at::_ops::_log_softmax_backward_data>);
  library.impl("_fused_rms_norm", &rmsNorm);
  library.impl("_fused_rms_norm_backward", &rmsNormBackward);
}

} // namespace simulation

// GELU by its tanh approximation in bfloat16 and float32, in place of libtorch's, which spends most of its
// time in a tanh. Other cases go back to libtorch's kernels.

#include "gelu.h"
#include "kernel_switch.h"
#include "parallel.h"

#if defined(__x86_64__)
#include <ATen/ATen.h>
#include <ATen/CPUFunctions.h>

#include <algorithm>

VECTORS_BEGIN

namespace {

// Applies `body` to 16 numbers of each input at a time; those behind the last are zeros.
template <typename T, typename Body>
INLINE void forEach(const T *x, const T *gradient, int64_t count, T *to, Body body) {
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) write(to + i, body(read(x + i), read(gradient + i)));
  if (i == count) return;
  T last[2][lanes] = {};
  std::copy(x + i, x + count, last[0]);
  std::copy(gradient + i, gradient + count, last[1]);
  write(last[0], body(read(last[0]), read(last[1])));
  std::copy(last[0], last[0] + count - i, to + i);
}

template <typename T> void gelu(const T *x, int64_t count, T *to) {
  forEach(x, x, count, to, [](Vector x, Vector) __attribute__((always_inline)) { return _mm512_mul_ps(x, geluShare(x)); });
}

template <typename T> void geluGradient(const T *x, const T *gradient, int64_t count, T *to) {
  forEach(x, gradient, count, to, [](Vector x, Vector gradient) __attribute__((always_inline)) {
    return _mm512_mul_ps(gradient, geluSlope(x));
  });
}

} // namespace

void applyGELU(const float *x, int64_t count, float *to) { gelu(x, count, to); }
void applyGELUGradient(const float *x, const float *gradient, int64_t count, float *to) {
  geluGradient(x, gradient, count, to);
}

VECTORS_END

namespace {

constexpr int64_t grain = 1 << 15;

bool applies(const at::Tensor &x, std::string_view approximation) {
  return (x.scalar_type() == at::kBFloat16 || x.scalar_type() == at::kFloat) && approximation == "tanh" &&
         x.is_contiguous();
}

// Calls `body` with the addresses of the tensors' numbers, spread over threads.
template <typename Body> void overNumbers(const at::Tensor &x, const at::Tensor &other, const at::Tensor &out, Body body) {
  withType(x, [&](auto zero) {
    typedef decltype(zero) T;
    const T *first = static_cast<const T *>(x.const_data_ptr()), *second = static_cast<const T *>(other.const_data_ptr());
    T *to = static_cast<T *>(out.mutable_data_ptr());
    inParallel(x.numel(), grain, [&](int64_t begin, int64_t end) {
      body(first + begin, second + begin, end - begin, to + begin);
    });
  });
}

at::Tensor forward(const at::Tensor &x, std::string_view approximation) {
  if (!applies(x, approximation)) return at::cpu::gelu(x, approximation);
  const at::Tensor out = at::empty_like(x);
  overNumbers(x, x, out, [](auto *x, auto *, int64_t count, auto *to) { gelu(x, count, to); });
  return out;
}

at::Tensor backward(const at::Tensor &gradient, const at::Tensor &x, std::string_view approximation) {
  if (!applies(x, approximation) || gradient.scalar_type() != x.scalar_type() || !gradient.is_contiguous())
    return at::cpu::gelu_backward(gradient, x, approximation);
  const at::Tensor out = at::empty_like(x);
  overNumbers(x, gradient, out,
              [](auto *x, auto *gradient, int64_t count, auto *to) { geluGradient(x, gradient, count, to); });
  return out;
}

const bool installed = replacing(ctorch_kernel_is_on(CTORCH_KERNEL_GELU), [](torch::Library &library) {
  library.impl("gelu", TORCH_FN(forward));
  library.impl("gelu_backward", TORCH_FN(backward));
});

} // namespace
#endif

// GELU by its tanh approximation in bfloat16, in place of libtorch's, which takes eight times as long on
// its tanh. Other cases go back to libtorch's kernel.

#include "bfloat16.h"

#if defined(__x86_64__)
#include <ATen/ATen.h>
#include <ATen/CPUFunctions.h>
#include <ATen/Parallel.h>

#include <algorithm>

BFLOAT16_BEGIN

namespace {

// x / (1 + exp(-2 u)) with u = sqrt(2 / pi) (x + 0.044715 x^3), which is 0.5 x (1 + tanh u).
INLINE Vector gelu(Vector x) {
  const Vector cubic = _mm512_fmadd_ps(_mm512_mul_ps(x, x), _mm512_set1_ps(0.044715f), _mm512_set1_ps(1.0f));
  const Vector power = powerOfTwo(_mm512_mul_ps(_mm512_mul_ps(x, cubic), _mm512_set1_ps(-1.5957691216f * log2e)));
  return _mm512_div_ps(x, _mm512_add_ps(power, _mm512_set1_ps(1.0f)));
}

void gelu(const c10::BFloat16 *from, int64_t count, c10::BFloat16 *to) {
  for (int64_t i = 0; i + lanes <= count; i += lanes) writeRounded(to + i, gelu(readRounded(from + i)));
  const int64_t rest = count % lanes, start = count - rest;
  if (rest == 0) return;
  c10::BFloat16 last[lanes] = {};
  std::copy(from + start, from + count, last);
  writeRounded(last, gelu(readRounded(last)));
  std::copy(last, last + rest, to + start);
}

} // namespace

BFLOAT16_END

namespace {

at::Tensor forward(const at::Tensor &x, std::string_view approximation) {
  if (!hasBFloat16() || x.scalar_type() != at::kBFloat16 || approximation != "tanh" || !x.is_contiguous())
    return at::cpu::gelu(x, approximation);
  const at::Tensor out = at::empty_like(x);
  const auto *from = static_cast<const c10::BFloat16 *>(x.const_data_ptr());
  auto *to = static_cast<c10::BFloat16 *>(out.mutable_data_ptr());
  at::parallel_for(0, x.numel(), 1 << 15, [&](int64_t begin, int64_t end) { gelu(from + begin, end - begin, to + begin); });
  return out;
}

const bool installed =
    replacing([](torch::Library &library) { library.impl("gelu", TORCH_FN(forward)); });

} // namespace
#endif

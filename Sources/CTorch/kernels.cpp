// Vectors are passed between functions that all become part of one.
#pragma clang diagnostic ignored "-Wpsabi"

#include "kernels.h"
#include "row_reductions.h"
#include "tensors.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <cmath>

// Steps of a transformer's block for evaluations without gradients on the processor, where libtorch's operators
// spend more time on generality than on arithmetic.

#if defined(__x86_64__) && defined(__linux__)
#define MULTIVERSIONED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MULTIVERSIONED
#endif

namespace {

constexpr int64_t lanes = 16;
typedef float Vector __attribute__((vector_size(lanes * sizeof(float))));

template <typename T> INLINE T read(const void *from) {
  T value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}
template <typename T> INLINE void write(void *to, T value) { __builtin_memcpy(to, &value, sizeof value); }

INLINE Vector reciprocalRoot(Vector x) {
  for (int64_t i = 0; i < lanes; ++i) x[i] = 1 / std::sqrt(x[i]);
  return x;
}

INLINE void modulatedNorm(const float *x, const float *shift, const float *scale, float *out, int64_t batch,
                          int64_t tokens, int64_t width, int64_t stride, float epsilon) {
  for (int64_t start = 0; start < batch * tokens; start += lanes) {
    const int64_t count = std::min(lanes, batch * tokens - start);
    Vector totals[lanes] = {}, squares[lanes] = {};
    for (int64_t row = 0; row < count; ++row)
      for (int64_t i = 0; i < width; i += lanes) totals[row] += read<Vector>(x + (start + row) * width + i);
    const Vector means = sums(totals) / static_cast<float>(width);
    for (int64_t row = 0; row < count; ++row)
      for (int64_t i = 0; i < width; i += lanes) {
        const Vector difference = read<Vector>(x + (start + row) * width + i) - means[row];
        squares[row] += difference * difference;
      }
    const Vector factors = reciprocalRoot(sums(squares) / static_cast<float>(width) + epsilon);
    for (int64_t row = 0; row < count; ++row) {
      const int64_t sample = (start + row) / tokens;
      const float *moved = shift + sample * stride, *scaled = scale + sample * stride;
      for (int64_t i = 0; i < width; i += lanes) {
        const int64_t at = (start + row) * width + i;
        const Vector normed = (read<Vector>(x + at) - means[row]) * factors[row];
        write(out + at, read<Vector>(moved + i) + normed * (read<Vector>(scaled + i) + 1.0f));
      }
    }
  }
}

INLINE void gate(const float *x, const float *gates, const float *update, float *out, int64_t batch, int64_t tokens,
                 int64_t width, int64_t stride) {
  for (int64_t row = 0; row < batch * tokens; ++row) {
    const float *gate = gates + row / tokens * stride;
    for (int64_t i = row * width, column = 0; column < width; i += lanes, column += lanes)
      write(out + i, read<Vector>(x + i) + read<Vector>(gate + column) * read<Vector>(update + i));
  }
}

} // namespace

// One copy for every kind of processor; the functions above become part of each.
MULTIVERSIONED void applyNorm(const float *x, const float *shift, const float *scale, float *out, int64_t batch,
                              int64_t tokens, int64_t width, int64_t stride, float epsilon) {
  modulatedNorm(x, shift, scale, out, batch, tokens, width, stride, epsilon);
}
MULTIVERSIONED void applyGate(const float *x, const float *gates, const float *update, float *out, int64_t batch,
                              int64_t tokens, int64_t width, int64_t stride) {
  gate(x, gates, update, out, batch, tokens, width, stride);
}

void ctorch_modulated_norm(const CTorchTensor *x, const CTorchTensor *shift, const CTorchTensor *scale, double epsilon,
                           CTorchTensor *out) {
  const auto sizes = implementation(x)->sizes();
  applyNorm(numbers(x), numbers(shift), numbers(scale), numbers(out), sizes[0], sizes[1], sizes[2],
            implementation(shift)->strides()[0], static_cast<float>(epsilon));
}

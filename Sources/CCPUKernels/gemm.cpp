// A row's sums are computed in the same order in any batch.

#include "gemm.h"

#if defined(__x86_64__)
#include <algorithm>

namespace tempflow::cpu::SIMD {

SIMD_BEGIN

namespace {

// At most NR columns of `c = initial + a b`, in steps of KC along the depth.
void multiplyPanel(int64_t rows, int64_t columns, int64_t k, Strided a, const float *b, int64_t ldb,
                   const float *initial, int64_t ldInitial, float *c, int64_t ldc) {
  for (int64_t step = 0; step < k; step += KC) {
    const int64_t depth = std::min(KC, k - step);
    const Strided left{a.data + step * a.column, a.row, a.column};
    const float *right = b + step * ldb;
    switch (columns / lanes) {
    case 3: microkernels<3>(rows, left, right, ldb, depth, initial, ldInitial, c, ldc); break;
    case 2: microkernels<2>(rows, left, right, ldb, depth, initial, ldInitial, c, ldc); break;
    default: microkernels<1>(rows, left, right, ldb, depth, initial, ldInitial, c, ldc);
    }
    initial = c;
    ldInitial = ldc;
  }
}

} // namespace

void packWeight(const float *weight, int64_t outputs, int64_t inputs, float *to) {
  for (int64_t column = 0; column < outputs; column += NR) {
    const int64_t width = std::min(NR, outputs - column);
    for (int64_t j = 0; j < width; j += lanes)
      for (int64_t i = 0; i < inputs; i += lanes)
        transpose(weight + (column + j) * inputs + i, inputs, to + column * inputs + i * width + j, width);
  }
}

void linear(const PackedLinear &layer, const float *x, int64_t rows, float *out) {
  for (int64_t column = 0; column < layer.outputs; column += NR) {
    const int64_t width = std::min(NR, layer.outputs - column);
    multiplyPanel(rows, width, layer.inputs, {x, layer.inputs, 1}, layer.weight + column * layer.inputs, width,
                  layer.bias ? layer.bias + column : nullptr, 0, out + column, layer.outputs);
  }
}

void gemm(int64_t m, int64_t n, int64_t k, Strided a, const float *b, int64_t ldb, bool accumulate, float *c,
          int64_t ldc) {
  for (int64_t column = 0; column < n; column += NR)
    multiplyPanel(m, std::min(NR, n - column), k, a, b + column, ldb, accumulate ? c + column : nullptr, ldc,
                  c + column, ldc);
}

SIMD_END

} // namespace tempflow::cpu::SIMD
#endif

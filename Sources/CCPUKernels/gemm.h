// Matrix products and linear layers in float32, on the calling thread.
#pragma once

#include "microkernel.h"

#if defined(__x86_64__)
namespace tempflow::cpu::SIMD {

// A linear layer whose weight `packWeight` has packed.
struct PackedLinear {
  const float *weight;
  const float *bias; // null without
  int64_t inputs, outputs;
};

// Packs `weight`, `[outputs, inputs]`, into panels of NR columns, in the reading order of the micro-kernel. Both
// sizes are multiples of 16; `to` has the same number of elements.
void packWeight(const float *weight, int64_t outputs, int64_t inputs, float *to);

// `[rows, inputs] -> [rows, outputs]`
void linear(const PackedLinear &layer, const float *x, int64_t rows, float *out);

// `c = a b` or, with `accumulate`, `c += a b`: `[m, k] [k, n]`. Rows of `b` and `c` are contiguous; `n` is a multiple
// of 16.
void gemm(int64_t m, int64_t n, int64_t k, Strided a, const float *b, int64_t ldb, bool accumulate, float *c,
          int64_t ldc);

} // namespace tempflow::cpu::SIMD
#endif

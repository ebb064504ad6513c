// The micro-kernel of a matrix product in float32, and transposition (Goto and van de Geijn 2008; BLIS).
#pragma once

#include "simd.h"

#if defined(__x86_64__)
namespace tempflow::cpu::SIMD {

SIMD_BEGIN

// A matrix: its address and the distances to the next row and to the next column.
struct Strided {
  const float *data;
  int64_t row, column;
};

// A block of the second matrix, KC x NR, stays in L1.
constexpr int64_t KC = 96;

// `c = initial + a b` for M rows, `16 V` columns and a depth of `k`; without `initial`, zeros.
template <int M, int V>
INLINE void microkernel(Strided a, const float *b, int64_t ldb, int64_t k, const float *initial, int64_t ldInitial,
                        float *c, int64_t ldc) {
  Vector accumulators[M][V];
  for (int v = 0; v < V; ++v)
    for (int m = 0; m < M; ++m)
      accumulators[m][v] = initial ? load(initial + m * ldInitial + v * lanes) : zeros();
  for (int64_t step = 0; step < k; ++step, a.data += a.column, b += ldb) {
    Vector right[V];
    for (int v = 0; v < V; ++v) right[v] = load(b + v * lanes);
    for (int m = 0; m < M; ++m) {
      const Vector left = broadcast(a.data[m * a.row]);
      for (int v = 0; v < V; ++v) accumulators[m][v] = multiplyAdd(left, right[v], accumulators[m][v]);
    }
  }
  for (int m = 0; m < M; ++m)
    for (int v = 0; v < V; ++v) store(c + m * ldc + v * lanes, accumulators[m][v]);
}

// The product for any number of rows, MR at a time.
template <int V>
static void microkernels(int64_t rows, Strided a, const float *b, int64_t ldb, int64_t k, const float *initial,
                         int64_t ldInitial, float *c, int64_t ldc) {
  for (; rows >= MR; rows -= MR) {
    microkernel<MR, V>(a, b, ldb, k, initial, ldInitial, c, ldc);
    a.data += MR * a.row;
    c += MR * ldc;
    if (initial) initial += MR * ldInitial;
  }
  switch (rows) {
  case 7: return microkernel<7, V>(a, b, ldb, k, initial, ldInitial, c, ldc);
  case 6: return microkernel<6, V>(a, b, ldb, k, initial, ldInitial, c, ldc);
  case 5: return microkernel<5, V>(a, b, ldb, k, initial, ldInitial, c, ldc);
  case 4: return microkernel<4, V>(a, b, ldb, k, initial, ldInitial, c, ldc);
  case 3: return microkernel<3, V>(a, b, ldb, k, initial, ldInitial, c, ldc);
  case 2: return microkernel<2, V>(a, b, ldb, k, initial, ldInitial, c, ldc);
  case 1: return microkernel<1, V>(a, b, ldb, k, initial, ldInitial, c, ldc);
  }
}

// Transposes any number of contiguous rows and a multiple of 16 columns.
static inline void transposeRows(const float *from, int64_t rows, int64_t width, float *to, int64_t ldTo) {
  for (int64_t row = 0; row < rows; row += lanes)
    for (int64_t i = 0; i < width; i += lanes)
      transpose(from + row * width + i, width, to + i * ldTo + row, ldTo, rows - row < lanes ? rows - row : lanes);
}

SIMD_END

} // namespace tempflow::cpu::SIMD
#endif

// Vectors of 16 float32 numbers. Every file of the kernels is compiled twice, into the namespace SIMD of an instruction
// set: by itself for AVX-512, and as a part of avx2.cpp.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>

#include <cstdint>

// SIMD_BEGIN and SIMD_END are around functions that are compiled for the instruction set.
#if defined(KERNELS_AVX2)
#define SIMD avx2
#define SIMD_BEGIN                                                                                                     \
  _Pragma("clang attribute push(__attribute__((target(\"avx2,fma\"))), apply_to = function)")
#else
#define SIMD avx512
#define SIMD_BEGIN                                                                                                     \
  _Pragma("clang attribute push(__attribute__((target(\"avx512f,avx512bw,avx512dq,avx512vl\"))), apply_to = function)")
#endif
#define SIMD_END _Pragma("clang attribute pop")
#define INLINE static inline __attribute__((always_inline))

namespace tempflow::cpu::SIMD {

#if defined(KERNELS_AVX2)
constexpr const char *instructionsName = "AVX2";
#else
constexpr const char *instructionsName = "AVX-512";
#endif

constexpr int64_t lanes = 16;
constexpr float log2e = 1.4426950408889634f;
typedef float Vector __attribute__((vector_size(64)));

} // namespace tempflow::cpu::SIMD

#if defined(KERNELS_AVX2)
#include "simd_avx2.h"
#else
#include "simd_avx512.h"
#endif

namespace tempflow::cpu::SIMD {

SIMD_BEGIN

INLINE Vector zeros() { return Vector{}; }
INLINE Vector add(Vector a, Vector b) { return a + b; }
INLINE Vector subtract(Vector a, Vector b) { return a - b; }
INLINE Vector multiply(Vector a, Vector b) { return a * b; }

// 2^x within 2 units in the last place for x from -125 to 127, and 2^-125 below, because a subnormal result would take
// a hundred cycles. NaN stays NaN.
INLINE Vector exp2(Vector x) {
  x = larger(broadcast(-125.0f), x);
  const Vector n = nearest(x);
  const Vector f = subtract(x, n);
  Vector p = broadcast(1.5403530e-4f);
  p = multiplyAdd(p, f, broadcast(1.3333558e-3f));
  p = multiplyAdd(p, f, broadcast(9.6181291e-3f));
  p = multiplyAdd(p, f, broadcast(5.5504109e-2f));
  p = multiplyAdd(p, f, broadcast(2.4022651e-1f));
  p = multiplyAdd(p, f, broadcast(6.9314718e-1f));
  p = multiplyAdd(p, f, broadcast(1.0f));
  return scaled(p, n);
}

// Lanes of `a` where the index lacks the bit `d`, of `b` where it has it; with `x`, those at a distance of `d`.
#define LANE(i, d, x) ((((i) & d) ? 16 : 0) + ((i) ^ (x)))
#define PAIRED(a, b, d, x)                                                                                             \
  __builtin_shufflevector(a, b, LANE(0, d, x), LANE(1, d, x), LANE(2, d, x), LANE(3, d, x), LANE(4, d, x),             \
                          LANE(5, d, x), LANE(6, d, x), LANE(7, d, x), LANE(8, d, x), LANE(9, d, x), LANE(10, d, x),   \
                          LANE(11, d, x), LANE(12, d, x), LANE(13, d, x), LANE(14, d, x), LANE(15, d, x))

// Lane i of the result is the reduction of all lanes of `rows[i]` by `join`: 16 reductions in the steps of one.
// Overwrites the rows.
template <typename Join> INLINE Vector reduceRows(Vector *rows, Join join) {
  for (int i = 0; i < 8; ++i) rows[i] = join(PAIRED(rows[i], rows[i + 8], 8, 0), PAIRED(rows[i], rows[i + 8], 8, 8));
  for (int i = 0; i < 4; ++i) rows[i] = join(PAIRED(rows[i], rows[i + 4], 4, 0), PAIRED(rows[i], rows[i + 4], 4, 4));
  for (int i = 0; i < 2; ++i) rows[i] = join(PAIRED(rows[i], rows[i + 2], 2, 0), PAIRED(rows[i], rows[i + 2], 2, 2));
  return join(PAIRED(rows[0], rows[1], 1, 0), PAIRED(rows[0], rows[1], 1, 1));
}
INLINE Vector rowSums(Vector *rows) {
  return reduceRows(rows, [](Vector a, Vector b) __attribute__((always_inline)) { return a + b; });
}
INLINE Vector rowMaxima(Vector *rows) {
  return reduceRows(rows, [](Vector a, Vector b) __attribute__((always_inline)) { return a > b ? a : b; });
}

#undef PAIRED
#undef LANE

SIMD_END

} // namespace tempflow::cpu::SIMD
#endif

// Vectors of 16 float32 numbers (AVX-512).
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>

#include <cstdint>

// Around functions that are compiled for AVX-512.
#define AVX512_BEGIN                                                                                                   \
  _Pragma("clang attribute push(__attribute__((target(\"avx512f,avx512bw,avx512dq,avx512vl\"))), apply_to = function)")
#define AVX512_END _Pragma("clang attribute pop")
#define INLINE static inline __attribute__((always_inline))

namespace tempflow::cpu {

inline bool hasAVX512() {
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return has;
}

AVX512_BEGIN

typedef __m512 Vector;
constexpr int64_t lanes = 16;
constexpr float log2e = 1.4426950408889634f;

INLINE Vector load(const float *from) { return _mm512_loadu_ps(from); }
INLINE void store(float *to, Vector value) { _mm512_storeu_ps(to, value); }
INLINE Vector broadcast(float value) { return _mm512_set1_ps(value); }

// `1 / sqrt(x)`
INLINE Vector rsqrt(Vector x) { return 1.0f / _mm512_sqrt_ps(x); }

// 2^x within 2 units in the last place for x from -125, and 2^-125 below, because a subnormal result would take a
// hundred cycles. NaN stays NaN.
INLINE Vector exp2(Vector x) {
  x = _mm512_max_ps(broadcast(-125.0f), x);
  const Vector n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const Vector f = _mm512_sub_ps(x, n);
  Vector p = broadcast(1.5403530e-4f);
  p = _mm512_fmadd_ps(p, f, broadcast(1.3333558e-3f));
  p = _mm512_fmadd_ps(p, f, broadcast(9.6181291e-3f));
  p = _mm512_fmadd_ps(p, f, broadcast(5.5504109e-2f));
  p = _mm512_fmadd_ps(p, f, broadcast(2.4022651e-1f));
  p = _mm512_fmadd_ps(p, f, broadcast(6.9314718e-1f));
  p = _mm512_fmadd_ps(p, f, broadcast(1.0f));
  return _mm512_scalef_ps(p, n);
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

AVX512_END

} // namespace tempflow::cpu
#endif

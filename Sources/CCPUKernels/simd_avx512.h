// Vectors in one register of AVX-512.
#pragma once

namespace tempflow::cpu::SIMD {

SIMD_BEGIN

// The accumulators of a product are MR x NR numbers in registers.
constexpr int64_t MR = 8, NR = 3 * lanes;

INLINE Vector load(const float *from) { return _mm512_loadu_ps(from); }
INLINE void store(float *to, Vector value) { _mm512_storeu_ps(to, value); }
INLINE Vector broadcast(float value) { return _mm512_set1_ps(value); }

// `a b + c` and `c - a b`, rounded once.
INLINE Vector multiplyAdd(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
INLINE Vector negatedMultiplyAdd(Vector a, Vector b, Vector c) { return _mm512_fnmadd_ps(a, b, c); }
// `b` where one is NaN.
INLINE Vector larger(Vector a, Vector b) { return _mm512_max_ps(a, b); }
INLINE Vector smaller(Vector a, Vector b) { return _mm512_min_ps(a, b); }
INLINE float sumOf(Vector x) { return _mm512_reduce_add_ps(x); }
INLINE float largestOf(Vector x) { return _mm512_reduce_max_ps(x); }

// `1 / sqrt(x)`
INLINE Vector rsqrt(Vector x) { return 1.0f / _mm512_sqrt_ps(x); }
// `1 / x` within 2 units in the last place, by one step of Newton's method.
INLINE Vector reciprocal(Vector x) {
  const Vector estimate = _mm512_rcp14_ps(x);
  return _mm512_mul_ps(estimate, negatedMultiplyAdd(x, estimate, broadcast(2.0f)));
}
INLINE Vector nearest(Vector x) {
  return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// `x 2^n` for whole n
INLINE Vector scaled(Vector x, Vector n) { return _mm512_scalef_ps(x, n); }

// `to[j][i] = from[i][j]` for up to 16 rows and 16 columns.
INLINE void transpose(const float *from, int64_t ldFrom, float *to, int64_t ldTo, int64_t rows = 16) {
  __m512 a[16], b[16];
  for (int i = 0; i < 16; ++i) a[i] = i < rows ? _mm512_loadu_ps(from + i * ldFrom) : _mm512_setzero_ps();
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
  }
  for (int i = 0; i < 16; i += 4)
    for (int j = 0; j < 2; ++j) {
      a[i + 2 * j] = (__m512)_mm512_unpacklo_pd((__m512d)b[i + j], (__m512d)b[i + j + 2]);
      a[i + 2 * j + 1] = (__m512)_mm512_unpackhi_pd((__m512d)b[i + j], (__m512d)b[i + j + 2]);
    }
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 16; j += 8) {
      b[i + j] = _mm512_shuffle_f32x4(a[i + j], a[i + j + 4], 0x88);
      b[i + j + 4] = _mm512_shuffle_f32x4(a[i + j], a[i + j + 4], 0xdd);
    }
  const __mmask16 mask = static_cast<__mmask16>((1u << rows) - 1);
  for (int i = 0; i < 8; ++i) {
    _mm512_mask_storeu_ps(to + i * ldTo, mask, _mm512_shuffle_f32x4(b[i], b[i + 8], 0x88));
    _mm512_mask_storeu_ps(to + (i + 8) * ldTo, mask, _mm512_shuffle_f32x4(b[i], b[i + 8], 0xdd));
  }
}

SIMD_END

} // namespace tempflow::cpu::SIMD

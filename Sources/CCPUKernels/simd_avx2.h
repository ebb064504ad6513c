// Vectors in two registers of AVX2 with FMA.
#pragma once

namespace tempflow::cpu::SIMD {

SIMD_BEGIN

// The accumulators of a product are MR x NR numbers, 12 of the 16 registers.
constexpr int64_t MR = 6, NR = lanes;

INLINE __m256 low(Vector x) { return __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7); }
INLINE __m256 high(Vector x) { return __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15); }
INLINE Vector both(__m256 a, __m256 b) {
  return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

INLINE Vector load(const float *from) { return both(_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)); }
INLINE void store(float *to, Vector value) {
  _mm256_storeu_ps(to, low(value));
  _mm256_storeu_ps(to + 8, high(value));
}
INLINE Vector broadcast(float value) { return both(_mm256_set1_ps(value), _mm256_set1_ps(value)); }

// `a b + c` and `c - a b`, rounded once.
INLINE Vector multiplyAdd(Vector a, Vector b, Vector c) {
  return both(_mm256_fmadd_ps(low(a), low(b), low(c)), _mm256_fmadd_ps(high(a), high(b), high(c)));
}
INLINE Vector negatedMultiplyAdd(Vector a, Vector b, Vector c) {
  return both(_mm256_fnmadd_ps(low(a), low(b), low(c)), _mm256_fnmadd_ps(high(a), high(b), high(c)));
}
// `b` where one is NaN.
INLINE Vector larger(Vector a, Vector b) {
  return both(_mm256_max_ps(low(a), low(b)), _mm256_max_ps(high(a), high(b)));
}
INLINE Vector smaller(Vector a, Vector b) {
  return both(_mm256_min_ps(low(a), low(b)), _mm256_min_ps(high(a), high(b)));
}
INLINE float sumOf(Vector x) {
  const __m256 eight = _mm256_add_ps(low(x), high(x));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
INLINE float largestOf(Vector x) {
  const __m256 eight = _mm256_max_ps(low(x), high(x));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

// `1 / sqrt(x)`
INLINE Vector rsqrt(Vector x) { return 1.0f / both(_mm256_sqrt_ps(low(x)), _mm256_sqrt_ps(high(x))); }
INLINE Vector reciprocal(Vector x) { return 1.0f / x; }
INLINE Vector nearest(Vector x) {
  constexpr int mode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return both(_mm256_round_ps(low(x), mode), _mm256_round_ps(high(x), mode));
}
// 2^n for whole n from -126 to 127, 1 for NaN
INLINE __m256 power(__m256 n) {
  return _mm256_castsi256_ps(
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
// `x 2^n` for such n
INLINE Vector scaled(Vector x, Vector n) { return x * both(power(low(n)), power(high(n))); }

// `to[j][i] = from[i][j]` for up to 8 rows and 8 columns.
INLINE void transposeQuarter(const float *from, int64_t ldFrom, float *to, int64_t ldTo, int64_t rows) {
  __m256 a[8], b[8];
  for (int i = 0; i < 8; ++i) a[i] = i < rows ? _mm256_loadu_ps(from + i * ldFrom) : _mm256_setzero_ps();
  for (int i = 0; i < 8; i += 2) {
    b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
  }
  for (int i = 0; i < 8; i += 4)
    for (int j = 0; j < 2; ++j) {
      a[i + 2 * j] = (__m256)_mm256_unpacklo_pd((__m256d)b[i + j], (__m256d)b[i + j + 2]);
      a[i + 2 * j + 1] = (__m256)_mm256_unpackhi_pd((__m256d)b[i + j], (__m256d)b[i + j + 2]);
    }
  const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(rows)),
                                          _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  for (int i = 0; i < 4; ++i) {
    _mm256_maskstore_ps(to + i * ldTo, mask, _mm256_permute2f128_ps(a[i], a[i + 4], 0x20));
    _mm256_maskstore_ps(to + (i + 4) * ldTo, mask, _mm256_permute2f128_ps(a[i], a[i + 4], 0x31));
  }
}

// `to[j][i] = from[i][j]` for up to 16 rows and 16 columns.
INLINE void transpose(const float *from, int64_t ldFrom, float *to, int64_t ldTo, int64_t rows = 16) {
  for (int64_t row = 0; row < rows; row += 8)
    for (int64_t column = 0; column < 16; column += 8)
      transposeQuarter(from + row * ldFrom + column, ldFrom, to + column * ldTo + row, ldTo, rows - row);
}

SIMD_END

} // namespace tempflow::cpu::SIMD

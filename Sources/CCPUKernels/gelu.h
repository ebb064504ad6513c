// GELU by its tanh approximation (Hendrycks and Gimpel 2016).
#pragma once

#include "simd.h"

#if defined(__x86_64__)
namespace tempflow::cpu {

AVX512_BEGIN

constexpr float twoRootTwoOverPi = 1.5957691216f; // 2 sqrt(2 / pi)

// s = 1 / (1 + exp(-2 u)) with u = sqrt(2 / pi) (x + 0.044715 x^3): x s is 0.5 x (1 + tanh u).
INLINE Vector geluSigmoid(Vector x) {
  const Vector cubic = _mm512_fmadd_ps(_mm512_mul_ps(x, x), broadcast(0.044715f), broadcast(1.0f));
  const Vector exponent = _mm512_mul_ps(_mm512_mul_ps(x, cubic), broadcast(-twoRootTwoOverPi * log2e));
  // Below 2^127 the sum has a reciprocal; one step of Newton's method improves it to 2 units in the last place.
  const Vector sum = _mm512_add_ps(exp2(_mm512_min_ps(broadcast(125.0f), exponent)), broadcast(1.0f));
  const Vector estimate = _mm512_rcp14_ps(sum);
  return _mm512_mul_ps(estimate, _mm512_fnmadd_ps(sum, estimate, broadcast(2.0f)));
}

// gelu'(x) = s + x s (1 - s) 2 u'
INLINE Vector geluDerivative(Vector x) {
  const Vector s = geluSigmoid(x);
  const Vector slope =
      _mm512_fmadd_ps(_mm512_mul_ps(x, x), broadcast(twoRootTwoOverPi * 3 * 0.044715f), broadcast(twoRootTwoOverPi));
  const Vector rest = _mm512_mul_ps(s, _mm512_sub_ps(broadcast(1.0f), s));
  return _mm512_fmadd_ps(_mm512_mul_ps(x, rest), slope, s);
}

// `out = gelu(x)`; `count` is a multiple of 16.
inline void gelu(const float *x, int64_t count, float *out) {
  for (int64_t i = 0; i < count; i += lanes) {
    const Vector value = load(x + i);
    store(out + i, _mm512_mul_ps(value, geluSigmoid(value)));
  }
}

// `grad *= gelu'(x)`; `count` is a multiple of 16.
inline void geluBackward(const float *x, int64_t count, float *grad) {
  for (int64_t i = 0; i < count; i += lanes)
    store(grad + i, _mm512_mul_ps(load(grad + i), geluDerivative(load(x + i))));
}

AVX512_END

} // namespace tempflow::cpu
#endif

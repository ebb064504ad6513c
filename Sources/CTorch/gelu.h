// GELU by its tanh approximation, 16 numbers at a time.
#pragma once

#include "vectors.h"

#if defined(__x86_64__)
// `to = gelu(x)`
void applyGELU(const float *x, int64_t count, float *to);
// `to = gradient gelu'(x)`; `to` may be `gradient`.
void applyGELUGradient(const float *x, const float *gradient, int64_t count, float *to);

VECTORS_BEGIN

// s = 1 / (1 + exp(-2 u)) with u = sqrt(2 / pi) (x + 0.044715 x^3): x s is 0.5 x (1 + tanh u).
INLINE Vector geluShare(Vector x) {
  const Vector cubic = _mm512_fmadd_ps(_mm512_mul_ps(x, x), _mm512_set1_ps(0.044715f), _mm512_set1_ps(1.0f));
  const Vector exponent = _mm512_mul_ps(_mm512_mul_ps(x, cubic), _mm512_set1_ps(-1.5957691216f * log2e));
  // Below 2^127 the sum has a reciprocal, which one step of Newton's makes exact to 2 units in the last place.
  const Vector sum = _mm512_add_ps(powerOfTwo(_mm512_min_ps(_mm512_set1_ps(125.0f), exponent)), _mm512_set1_ps(1.0f));
  const Vector near = _mm512_rcp14_ps(sum);
  return _mm512_mul_ps(near, _mm512_fnmadd_ps(sum, near, _mm512_set1_ps(2.0f)));
}

// s + x s (1 - s) 2 u'
INLINE Vector geluSlope(Vector x) {
  const Vector s = geluShare(x);
  const Vector inner = _mm512_fmadd_ps(_mm512_mul_ps(x, x), _mm512_set1_ps(1.5957691216f * 3 * 0.044715f),
                                       _mm512_set1_ps(1.5957691216f));
  const Vector rest = _mm512_mul_ps(s, _mm512_sub_ps(_mm512_set1_ps(1.0f), s));
  return _mm512_fmadd_ps(_mm512_mul_ps(x, rest), inner, s);
}

VECTORS_END
#endif

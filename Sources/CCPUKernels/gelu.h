// GELU by its tanh approximation (Hendrycks and Gimpel 2016).
#pragma once

#include "simd.h"

#if defined(__x86_64__)
namespace tempflow::cpu::SIMD {

SIMD_BEGIN

constexpr float twoRootTwoOverPi = 1.5957691216f; // 2 sqrt(2 / pi)

// s = 1 / (1 + exp(-2 u)) with u = sqrt(2 / pi) (x + 0.044715 x^3): x s is 0.5 x (1 + tanh u).
INLINE Vector geluSigmoid(Vector x) {
  const Vector cubic = multiplyAdd(multiply(x, x), broadcast(0.044715f), broadcast(1.0f));
  const Vector exponent = multiply(multiply(x, cubic), broadcast(-twoRootTwoOverPi * log2e));
  // Below 2^127 the sum has a reciprocal.
  return reciprocal(add(exp2(smaller(broadcast(125.0f), exponent)), broadcast(1.0f)));
}

// gelu'(x) = s + x s (1 - s) 2 u'
INLINE Vector geluDerivative(Vector x) {
  const Vector s = geluSigmoid(x);
  const Vector slope =
      multiplyAdd(multiply(x, x), broadcast(twoRootTwoOverPi * 3 * 0.044715f), broadcast(twoRootTwoOverPi));
  const Vector rest = multiply(s, subtract(broadcast(1.0f), s));
  return multiplyAdd(multiply(x, rest), slope, s);
}

// `out = gelu(x)`; `count` is a multiple of 16.
inline void gelu(const float *x, int64_t count, float *out) {
  for (int64_t i = 0; i < count; i += lanes) {
    const Vector value = load(x + i);
    store(out + i, multiply(value, geluSigmoid(value)));
  }
}

// `grad *= gelu'(x)`; `count` is a multiple of 16.
inline void geluBackward(const float *x, int64_t count, float *grad) {
  for (int64_t i = 0; i < count; i += lanes)
    store(grad + i, multiply(load(grad + i), geluDerivative(load(x + i))));
}

SIMD_END

} // namespace tempflow::cpu::SIMD
#endif

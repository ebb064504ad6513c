// Layer norm modulated by the conditioning (adaLN) and gated residuals (Peebles and Xie 2023), with their derivatives,
// in float32 on the calling thread.
#pragma once

#include "simd.h"

#if defined(__x86_64__)
namespace tempflow::cpu::SIMD {

// `[batch, tokens, D]`, contiguous. Shifts, scales and gates are `[batch, D]`, their rows `stride` apart.
struct TokenShape {
  int64_t batch, tokens, width, stride;
};

// `out = shift + layer_norm(x) (1 + scale)`
void adaLayerNorm(const float *x, const float *shift, const float *scale, float *out, const TokenShape &shape,
                  float epsilon);

// `out = x + gate update`; `out` may be `x` or `update`.
void gatedResidual(const float *x, const float *gate, const float *update, float *out, const TokenShape &shape);

struct AdaLayerNormGradient {
  float *x, *shift, *scale;
};

// Gradients of `adaLayerNorm` from the gradient `grad` of its output; `residual`, unless null, is added to that of
// `x`.
void adaLayerNormBackward(const float *x, const float *scale, const float *grad, const float *residual,
                          const AdaLayerNormGradient &to, const TokenShape &shape, float epsilon);

// Gradients of `gatedResidual` with respect to `update` and `gate` from `grad`, the gradient of its output and of
// `x`.
void gatedResidualBackward(const float *grad, const float *gate, const float *update, float *gradUpdate,
                           float *gradGate, const TokenShape &shape);

} // namespace tempflow::cpu::SIMD
#endif

// What kernels for processors share. They are registered as libtorch's operators themselves: whatever leads
// to these (the choice of a kernel, the derivative) stays libtorch's, and rollout and training run the same
// kernel, hence give the same bits.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/BFloat16.h>
#include <c10/util/Exception.h>
#include <torch/library.h>

// Registers kernels for processors in place of libtorch's, which it would announce on standard error; nothing where
// they are off.
template <typename Body> bool replacing(bool isOn, Body body) {
  if (!isOn) return false;
  struct Silence : c10::WarningHandler {
    void process(const c10::Warning &) override {}
  } silence;
  c10::WarningUtils::WarningHandlerGuard guard(&silence);
  // Never destroyed: its destructor would take the kernels back while others still run.
  auto *library = new torch::Library(torch::Library::IMPL, "aten", c10::DispatchKey::CPU, __FILE__, __LINE__);
  body(*library);
  return true;
}

// Calls `body` with a number of the type of `x`, which is float32 or bfloat16.
template <typename Body> void withType(const at::Tensor &x, Body body) {
  if (x.scalar_type() == at::kFloat)
    body(float());
  else
    body(c10::BFloat16());
}

#if defined(__x86_64__)
#include <immintrin.h>

// Around functions that use vectors of 16 numbers.
#define VECTORS_BEGIN                                                                                                  \
  _Pragma("clang attribute push(__attribute__((target(\"avx512f,avx512bw,avx512dq,avx512vl\"))), apply_to = function)")
#define VECTORS_END _Pragma("clang attribute pop")
#define INLINE static inline __attribute__((always_inline))

// Whether this processor has them.
inline bool hasVectors() {
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return has;
}

VECTORS_BEGIN

typedef __m512 Vector;
constexpr int64_t lanes = 16;
constexpr float log2e = 1.4426950408889634f;

INLINE Vector read(const float *from) { return _mm512_loadu_ps(from); }
INLINE void write(float *to, Vector value) { _mm512_storeu_ps(to, value); }
INLINE Vector read(const c10::BFloat16 *from) {
  return (Vector)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from)), 16);
}
// Rounds to nearest, ties to even; NaN stays NaN.
INLINE void write(c10::BFloat16 *to, Vector value) {
  const __m512i bits = (__m512i)value;
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __mmask16 isNumber = _mm512_cmp_ps_mask(value, value, _CMP_ORD_Q);
  const __m512i kept = _mm512_mask_blend_epi32(isNumber, _mm512_set1_epi32(0x7fc00000), rounded);
  _mm256_storeu_si256((__m256i *)to, _mm512_cvtepi32_epi16(_mm512_srli_epi32(kept, 16)));
}

// 2^x within 2 units in the last place for x from -125, and 2^-125 below: a smaller result would take the processor
// a hundred steps. NaN stays NaN.
INLINE Vector powerOfTwo(Vector x) {
  x = _mm512_max_ps(_mm512_set1_ps(-125.0f), x);
  const Vector n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const Vector f = _mm512_sub_ps(x, n);
  Vector p = _mm512_set1_ps(1.5403530e-4f);
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.3333558e-3f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(9.6181291e-3f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(5.5504109e-2f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(2.4022651e-1f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(6.9314718e-1f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(p, n);
}

VECTORS_END
#endif

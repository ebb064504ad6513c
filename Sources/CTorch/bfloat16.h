// What kernels need that use the processor's own operations on bfloat16.
#pragma once

#include "vectors.h"

#if defined(__x86_64__)
// Around functions that use them.
#define BFLOAT16_BEGIN                                                                                                 \
  _Pragma("clang attribute push(__attribute__((target(\"avx512f,avx512bw,avx512dq,avx512vl,avx512bf16\"))), apply_to = function)")
#define BFLOAT16_END _Pragma("clang attribute pop")

// Whether this processor has them.
inline bool hasBFloat16() {
  static const bool has = hasVectors() && __builtin_cpu_supports("avx512bf16");
  return has;
}
#endif

// Products in bfloat16 on processors that have vectors but do not multiply it.
#pragma once

#include <ATen/core/Tensor.h>

// Whether `multiplyWidened` takes `start + a b`; `start` is undefined, a row for all, or a matrix.
bool multipliesWidened(const at::Tensor &start, const at::Tensor &a, const at::Tensor &b);

// `out = start + a b`, summed in float32 and rounded once; the rows of `out` are contiguous, and it may be `start`.
void multiplyWidened(const at::Tensor &start, const at::Tensor &a, const at::Tensor &b, const at::Tensor &out);

// The norm by the root mean square for processors, where libtorch composes it of seven operators that
// keep copies in float32 for the derivative. As on a GPU, the input and a number per row are kept.

#include "kernel_switch.h"
#include "parallel.h"
#include "vectors.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <array>
#include <cmath>
#include <tuple>
#include <vector>

#if defined(__x86_64__)
VECTORS_BEGIN

namespace {

// `weight` is null without a learnt scale.
template <typename T>
void normalise(const T *x, const T *weight, int64_t rows, int64_t width, float epsilon, T *out, float *factors) {
  for (int64_t row = 0; row < rows; ++row, x += width, out += width) {
    Vector squares = _mm512_setzero_ps();
    for (int64_t i = 0; i < width; i += lanes) squares = _mm512_fmadd_ps(read(x + i), read(x + i), squares);
    const float factor = 1 / std::sqrt(_mm512_reduce_add_ps(squares) / width + epsilon);
    factors[row] = factor;
    for (int64_t i = 0; i < width; i += lanes) {
      const Vector normed = _mm512_mul_ps(read(x + i), _mm512_set1_ps(factor));
      write(out + i, weight ? _mm512_mul_ps(normed, read(weight + i)) : normed);
    }
  }
}

// Gradients of x, and added up over rows of the weight; either is null where nobody asks.
template <typename T>
void differentiate(const T *gradient, const T *x, const T *weight, const float *factors, int64_t rows, int64_t width,
                   T *inputGradient, float *weightGradient) {
  for (int64_t row = 0; row < rows; ++row, gradient += width, x += width) {
    const Vector factor = _mm512_set1_ps(factors[row]);
    if (weightGradient)
      for (int64_t i = 0; i < width; i += lanes) {
        const Vector normed = _mm512_mul_ps(read(x + i), factor);
        _mm512_storeu_ps(weightGradient + i,
                         _mm512_fmadd_ps(read(gradient + i), normed, _mm512_loadu_ps(weightGradient + i)));
      }
    if (!inputGradient) continue;
    Vector products = _mm512_setzero_ps();
    for (int64_t i = 0; i < width; i += lanes) {
      const Vector scaled = weight ? _mm512_mul_ps(read(gradient + i), read(weight + i)) : read(gradient + i);
      products = _mm512_fmadd_ps(scaled, read(x + i), products);
    }
    const Vector mean = _mm512_set1_ps(_mm512_reduce_add_ps(products) / width * factors[row] * factors[row]);
    for (int64_t i = 0; i < width; i += lanes) {
      const Vector scaled = weight ? _mm512_mul_ps(read(gradient + i), read(weight + i)) : read(gradient + i);
      write(inputGradient + i, _mm512_mul_ps(_mm512_fnmadd_ps(read(x + i), mean, scaled), factor));
    }
    inputGradient += width;
  }
}

} // namespace

VECTORS_END
#endif

namespace {

// The normalised dimensions, which are the last.
std::vector<int64_t> normalisedDims(const at::Tensor &x, at::IntArrayRef shape) {
  std::vector<int64_t> dims;
  for (int64_t i = x.dim() - static_cast<int64_t>(shape.size()); i < x.dim(); ++i) dims.push_back(i);
  return dims;
}

// Numbers of the normalised dimensions.
int64_t widthOf(at::IntArrayRef shape) {
  int64_t width = 1;
  for (const int64_t size : shape) width *= size;
  return width;
}

bool isVectorised(const at::Tensor &x, const at::Tensor &weight, int64_t width) {
#if defined(__x86_64__)
  const bool hasType = x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16;
  return hasVectors() && hasType && (!weight.defined() || weight.scalar_type() == x.scalar_type()) &&
         width % lanes == 0 && x.numel() > 0;
#else
  return false;
#endif
}

// What the sums are computed in.
at::Tensor widened(const at::Tensor &x) { return x.to(x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat); }

at::Tensor orUndefined(const std::optional<at::Tensor> &tensor) { return tensor.value_or(at::Tensor()); }

template <typename T> T *pointer(const at::Tensor &tensor) {
  return tensor.defined() ? static_cast<T *>(tensor.mutable_data_ptr()) : nullptr;
}
template <typename T> const T *constPointer(const at::Tensor &tensor) {
  return tensor.defined() ? static_cast<const T *>(tensor.const_data_ptr()) : nullptr;
}

// `-> the same, and one factor per row, [*, 1 ...]`
std::tuple<at::Tensor, at::Tensor> forward(const at::Tensor &input, at::IntArrayRef shape,
                                           const std::optional<at::Tensor> &scale, std::optional<double> eps) {
  const int64_t width = widthOf(shape);
  const std::vector<int64_t> dims = normalisedDims(input, shape);
  const at::Tensor weight = orUndefined(scale);
  const bool isDouble = input.scalar_type() == at::kDouble;
  const double epsilon = eps.value_or(isDouble ? 2.220446049250313e-16 : 1.1920928955078125e-07);
  if (!isVectorised(input, weight, width)) {
    const at::Tensor x = widened(input);
    const at::Tensor factors = (x.square().mean(dims, true) + epsilon).rsqrt();
    const at::Tensor normed = x * factors;
    return {(weight.defined() ? normed * weight : normed).to(input.scalar_type()), factors};
  }
#if defined(__x86_64__)
  const at::Tensor x = input.contiguous(), learnt = weight.defined() ? weight.contiguous() : weight;
  const at::Tensor out = at::empty_like(x);
  std::vector<int64_t> rows = x.sizes().vec();
  for (const int64_t dim : dims) rows[dim] = 1;
  const at::Tensor factors = at::empty(rows, x.options().dtype(at::kFloat));
  withType(x, [&](auto zero) {
    typedef decltype(zero) T;
    inParallel(x.numel() / width, std::max<int64_t>(1, (1 << 15) / width), [&](int64_t begin, int64_t end) {
      normalise(constPointer<T>(x) + begin * width, constPointer<T>(learnt), end - begin, width,
                static_cast<float>(epsilon), pointer<T>(out) + begin * width, pointer<float>(factors) + begin);
    });
  });
  return {out, factors};
#endif
}

std::tuple<at::Tensor, at::Tensor> backward(const at::Tensor &gradient, const at::Tensor &input, at::IntArrayRef shape,
                                            const at::Tensor &factors, const std::optional<at::Tensor> &scale,
                                            std::array<bool, 2> wants) {
  const int64_t width = widthOf(shape);
  const at::Tensor weight = orUndefined(scale);
  const bool wantsWeight = wants[1] && weight.defined();
  if (!isVectorised(input, weight, width) || gradient.scalar_type() != input.scalar_type()) {
    const at::Tensor x = widened(input), g = widened(gradient), normed = x * factors;
    const at::Tensor scaled = weight.defined() ? g * weight : g;
    at::Tensor inputGradient, weightGradient;
    if (wants[0]) {
      const at::Tensor mean = (scaled * normed).mean(normalisedDims(input, shape), true);
      inputGradient = ((scaled - normed * mean) * factors).to(input.scalar_type());
    }
    if (wantsWeight) weightGradient = (g * normed).reshape({-1, width}).sum(0).view(shape).to(weight.scalar_type());
    return {inputGradient, weightGradient};
  }
#if defined(__x86_64__)
  const at::Tensor x = input.contiguous(), g = gradient.contiguous();
  const at::Tensor learnt = weight.defined() ? weight.contiguous() : weight;
  const at::Tensor inputGradient = wants[0] ? at::empty_like(x) : at::Tensor();
  const int64_t rows = x.numel() / width;
  // Each part adds up rows of its own, so that the sums depend on the number of threads alone.
  const int64_t parts = std::min<int64_t>(rows, at::get_num_threads());
  const at::Tensor sums = wantsWeight ? at::zeros({parts, width}, x.options().dtype(at::kFloat)) : at::Tensor();
  withType(x, [&](auto zero) {
    typedef decltype(zero) T;
    inParallel(parts, 1, [&](int64_t first, int64_t last) {
      for (int64_t part = first; part < last; ++part) {
        const int64_t begin = rows * part / parts, count = rows * (part + 1) / parts - begin;
        differentiate(constPointer<T>(g) + begin * width, constPointer<T>(x) + begin * width, constPointer<T>(learnt),
                      constPointer<float>(factors) + begin, count, width,
                      wants[0] ? pointer<T>(inputGradient) + begin * width : nullptr,
                      wantsWeight ? pointer<float>(sums) + part * width : nullptr);
      }
    });
  });
  return {inputGradient, wantsWeight ? sums.sum(0).view(shape).to(weight.scalar_type()) : at::Tensor()};
#endif
}

const bool installed = replacing(ctorch_kernel_is_on(CTORCH_KERNEL_RMS_NORM), [](torch::Library &library) {
  library.impl("_fused_rms_norm", TORCH_FN(forward));
  library.impl("_fused_rms_norm_backward", TORCH_FN(backward));
});

} // namespace

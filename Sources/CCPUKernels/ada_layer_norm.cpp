#include "ada_layer_norm.h"

#if defined(__x86_64__)
#include <algorithm>
#include <cmath>

namespace tempflow::cpu::SIMD {

SIMD_BEGIN

void adaLayerNorm(const float *x, const float *shift, const float *scale, float *out, const TokenShape &shape,
                  float epsilon) {
  const int64_t width = shape.width, rows = shape.batch * shape.tokens;
  for (int64_t start = 0; start < rows; start += lanes) {
    const int64_t count = std::min(lanes, rows - start);
    Vector totals[lanes] = {}, squares[lanes] = {};
    for (int64_t row = 0; row < count; ++row)
      for (int64_t i = 0; i < width; i += lanes) totals[row] += load(x + (start + row) * width + i);
    const Vector mean = rowSums(totals) / static_cast<float>(width);
    for (int64_t row = 0; row < count; ++row)
      for (int64_t i = 0; i < width; i += lanes) {
        const Vector difference = load(x + (start + row) * width + i) - mean[row];
        squares[row] += difference * difference;
      }
    const Vector rstd = rsqrt(rowSums(squares) / static_cast<float>(width) + epsilon);
    for (int64_t row = 0; row < count; ++row) {
      const int64_t sample = (start + row) / shape.tokens;
      const float *shifts = shift + sample * shape.stride, *scales = scale + sample * shape.stride;
      for (int64_t i = 0; i < width; i += lanes) {
        const int64_t at = (start + row) * width + i;
        const Vector normed = (load(x + at) - mean[row]) * rstd[row];
        store(out + at, load(shifts + i) + normed * (load(scales + i) + 1.0f));
      }
    }
  }
}

void gatedResidual(const float *x, const float *gate, const float *update, float *out, const TokenShape &shape) {
  for (int64_t row = 0; row < shape.batch * shape.tokens; ++row) {
    const float *gates = gate + row / shape.tokens * shape.stride;
    for (int64_t i = row * shape.width, column = 0; column < shape.width; i += lanes, column += lanes)
      store(out + i, load(x + i) + load(gates + column) * load(update + i));
  }
}

namespace {

// The mean of a row and the reciprocal of its standard deviation, in every lane.
struct Moments {
  Vector mean, rstd;
};

INLINE Moments moments(const float *x, int64_t width, float epsilon) {
  const float perElement = 1 / static_cast<float>(width);
  Vector sum = zeros(), squares = sum;
  for (int64_t i = 0; i < width; i += lanes) sum = add(sum, load(x + i));
  const Vector mean = broadcast(sumOf(sum) * perElement);
  for (int64_t i = 0; i < width; i += lanes) {
    const Vector difference = subtract(load(x + i), mean);
    squares = multiplyAdd(difference, difference, squares);
  }
  return {mean, broadcast(1 / std::sqrt(sumOf(squares) * perElement + epsilon))};
}

} // namespace

void adaLayerNormBackward(const float *x, const float *scale, const float *grad, const float *residual,
                          const AdaLayerNormGradient &to, const TokenShape &shape, float epsilon) {
  const int64_t width = shape.width, tokens = shape.tokens;
  const float perElement = 1 / static_cast<float>(width);
  for (int64_t sample = 0; sample < shape.batch; ++sample) {
    const float *scales = scale + sample * shape.stride;
    float *gradShift = to.shift + sample * shape.stride, *gradScale = to.scale + sample * shape.stride;
    std::fill(gradShift, gradShift + width, 0.0f);
    std::fill(gradScale, gradScale + width, 0.0f);
    for (int64_t row = sample * tokens; row < (sample + 1) * tokens; ++row) {
      const float *from = x + row * width, *arrived = grad + row * width;
      const auto [mean, rstd] = moments(from, width, epsilon);
      Vector sum = zeros(), products = sum;
      for (int64_t i = 0; i < width; i += lanes) {
        const Vector normed = multiply(subtract(load(from + i), mean), rstd), g = load(arrived + i);
        store(gradShift + i, add(load(gradShift + i), g));
        store(gradScale + i, multiplyAdd(g, normed, load(gradScale + i)));
        const Vector scaled = multiplyAdd(g, load(scales + i), g);
        sum = add(sum, scaled);
        products = multiplyAdd(scaled, normed, products);
      }
      const Vector meanGrad = broadcast(sumOf(sum) * perElement);
      const Vector meanProduct = broadcast(sumOf(products) * perElement);
      for (int64_t i = 0; i < width; i += lanes) {
        const Vector normed = multiply(subtract(load(from + i), mean), rstd), g = load(arrived + i);
        Vector gradNormed = multiplyAdd(g, load(scales + i), g);
        gradNormed = subtract(negatedMultiplyAdd(normed, meanProduct, gradNormed), meanGrad);
        const Vector before = residual ? load(residual + row * width + i) : zeros();
        store(to.x + row * width + i, multiplyAdd(gradNormed, rstd, before));
      }
    }
  }
}

void gatedResidualBackward(const float *grad, const float *gate, const float *update, float *gradUpdate,
                           float *gradGate, const TokenShape &shape) {
  const int64_t width = shape.width, tokens = shape.tokens;
  for (int64_t sample = 0; sample < shape.batch; ++sample)
    for (int64_t i = 0; i < width; i += lanes) {
      const Vector gates = load(gate + sample * shape.stride + i);
      Vector sum = zeros();
      for (int64_t row = sample * tokens; row < (sample + 1) * tokens; ++row) {
        const Vector g = load(grad + row * width + i);
        sum = multiplyAdd(g, load(update + row * width + i), sum);
        store(gradUpdate + row * width + i, multiply(g, gates));
      }
      store(gradGate + sample * shape.stride + i, sum);
    }
}

SIMD_END

} // namespace tempflow::cpu::SIMD
#endif

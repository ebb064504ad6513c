#include "attention.h"

#if defined(__x86_64__)
#include "gemm.h"

#include <cmath>
#include <cstring>
#include <utility>

namespace tempflow::cpu::SIMD {

SIMD_BEGIN

AttentionBackward::AttentionBackward(int64_t width, int64_t keys, const float *keyBias)
    : width(width), keys(keys), padded((keys + lanes - 1) / lanes * lanes) {
  memory.resize(7 * keys * width + 2 * width * padded + 2 * keys * padded + 3 * padded);
  float *next = memory.data();
  const auto take = [&](int64_t count) { return std::exchange(next, next + count); };
  for (float **rows : {&q, &k, &v, &dO, &dQ, &dK, &dV}) *rows = take(keys * width);
  kTransposed = take(width * padded);
  vTransposed = take(width * padded);
  p = take(keys * padded);
  dS = take(keys * padded);
  qFactors = take(padded);
  kFactors = take(padded);
  bias = take(padded);
  for (int64_t key = 0; key < padded; ++key)
    bias[key] = key < keys ? (keyBias ? keyBias[key] * log2e : 0.0f) : -INFINITY;
}

void AttentionBackward::gather(const HeadRows &rows, float epsilon, int64_t token, float *to, float *factors) const {
  const float *from = rows.data;
  to += token * width;
  for (int64_t row = 0; row < rows.count; ++row, from += rows.stride, to += width) {
    if (!rows.normWeight) {
      std::memcpy(to, from, width * sizeof(float));
      continue;
    }
    Vector squares = zeros();
    for (int64_t i = 0; i < width; i += lanes) squares = multiplyAdd(load(from + i), load(from + i), squares);
    factors[token + row] = 1 / std::sqrt(sumOf(squares) / static_cast<float>(width) + epsilon);
    const Vector factor = broadcast(factors[token + row]);
    for (int64_t i = 0; i < width; i += lanes)
      store(to + i, multiply(multiply(load(from + i), factor), load(rows.normWeight + i)));
  }
}

void AttentionBackward::scatter(const float *gradient, int64_t token, const HeadRows &rows, const float *factors,
                                float *to, float *dNormWeight) const {
  const float *from = rows.data;
  gradient += token * width;
  for (int64_t row = 0; row < rows.count; ++row, gradient += width, from += rows.stride, to += rows.stride) {
    if (!rows.normWeight) {
      std::memcpy(to, gradient, width * sizeof(float));
      continue;
    }
    const Vector factor = broadcast(factors[token + row]);
    Vector products = zeros();
    for (int64_t i = 0; i < width; i += lanes) {
      const Vector normed = multiply(load(from + i), factor), g = load(gradient + i);
      store(dNormWeight + i, multiplyAdd(g, normed, load(dNormWeight + i)));
      products = multiplyAdd(multiply(g, load(rows.normWeight + i)), normed, products);
    }
    const Vector mean = broadcast(sumOf(products) / static_cast<float>(width));
    for (int64_t i = 0; i < width; i += lanes) {
      const Vector normed = multiply(load(from + i), factor);
      const Vector scaled = multiply(load(gradient + i), load(rows.normWeight + i));
      store(to + i, multiply(negatedMultiplyAdd(normed, mean, scaled), factor));
    }
  }
}

namespace {

// A row of s becomes p = softmax(s), and dP becomes dS = p (dP - sum(p dP)) scale.
INLINE void softmaxBackward(float *s, float *dP, const float *bias, int64_t padded, float scale) {
  const Vector logitScale = broadcast(scale * log2e), factor = broadcast(scale);
  Vector maxima = broadcast(-INFINITY), sums = zeros(), products = sums;
  for (int64_t i = 0; i < padded; i += lanes) {
    const Vector logit = multiplyAdd(load(s + i), logitScale, load(bias + i));
    store(s + i, logit);
    maxima = larger(maxima, logit);
  }
  const Vector m = broadcast(largestOf(maxima));
  for (int64_t i = 0; i < padded; i += lanes) {
    const Vector power = exp2(subtract(load(s + i), m));
    store(s + i, power);
    sums = add(sums, power);
  }
  const Vector reciprocal = broadcast(1 / sumOf(sums));
  for (int64_t i = 0; i < padded; i += lanes) {
    const Vector probability = multiply(load(s + i), reciprocal);
    store(s + i, probability);
    products = multiplyAdd(probability, load(dP + i), products);
  }
  const Vector product = broadcast(sumOf(products));
  for (int64_t i = 0; i < padded; i += lanes)
    store(dP + i, multiply(multiply(load(s + i), subtract(load(dP + i), product)), factor));
}

} // namespace

void AttentionBackward::run(int64_t queries) {
  const float scale = 1 / std::sqrt(static_cast<float>(width));
  transposeRows(k, keys, width, kTransposed, padded);
  transposeRows(v, keys, width, vTransposed, padded);
  gemm(queries, padded, width, {q, width, 1}, kTransposed, padded, false, p, padded);
  gemm(queries, padded, width, {dO, width, 1}, vTransposed, padded, false, dS, padded);
  for (int64_t query = 0; query < queries; ++query)
    softmaxBackward(p + query * padded, dS + query * padded, bias, padded, scale);
  gemm(keys, width, queries, {p, 1, padded}, dO, width, false, dV, width);
  gemm(queries, width, keys, {dS, padded, 1}, k, width, false, dQ, width);
  gemm(keys, width, queries, {dS, 1, padded}, q, width, false, dK, width);
}

SIMD_END

} // namespace tempflow::cpu::SIMD
#endif

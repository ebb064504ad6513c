#include "attention.h"

#if defined(__x86_64__)
#include "gemm.h"

#include <cmath>
#include <cstring>
#include <utility>

namespace tempflow::cpu {

AVX512_BEGIN

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
    Vector squares = _mm512_setzero_ps();
    for (int64_t i = 0; i < width; i += lanes) squares = _mm512_fmadd_ps(load(from + i), load(from + i), squares);
    factors[token + row] = 1 / std::sqrt(_mm512_reduce_add_ps(squares) / static_cast<float>(width) + epsilon);
    const Vector factor = broadcast(factors[token + row]);
    for (int64_t i = 0; i < width; i += lanes)
      store(to + i, _mm512_mul_ps(_mm512_mul_ps(load(from + i), factor), load(rows.normWeight + i)));
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
    Vector products = _mm512_setzero_ps();
    for (int64_t i = 0; i < width; i += lanes) {
      const Vector normed = _mm512_mul_ps(load(from + i), factor), g = load(gradient + i);
      store(dNormWeight + i, _mm512_fmadd_ps(g, normed, load(dNormWeight + i)));
      products = _mm512_fmadd_ps(_mm512_mul_ps(g, load(rows.normWeight + i)), normed, products);
    }
    const Vector mean = broadcast(_mm512_reduce_add_ps(products) / static_cast<float>(width));
    for (int64_t i = 0; i < width; i += lanes) {
      const Vector normed = _mm512_mul_ps(load(from + i), factor);
      const Vector scaled = _mm512_mul_ps(load(gradient + i), load(rows.normWeight + i));
      store(to + i, _mm512_mul_ps(_mm512_fnmadd_ps(normed, mean, scaled), factor));
    }
  }
}

namespace {

// A row of s becomes p = softmax(s), and dP becomes dS = p (dP - sum(p dP)) scale.
INLINE void softmaxBackward(float *s, float *dP, const float *bias, int64_t padded, float scale) {
  const Vector logitScale = broadcast(scale * log2e), factor = broadcast(scale);
  Vector maxima = broadcast(-INFINITY), sums = _mm512_setzero_ps(), products = sums;
  for (int64_t i = 0; i < padded; i += lanes) {
    const Vector logit = _mm512_fmadd_ps(load(s + i), logitScale, load(bias + i));
    store(s + i, logit);
    maxima = _mm512_max_ps(maxima, logit);
  }
  const Vector m = broadcast(_mm512_reduce_max_ps(maxima));
  for (int64_t i = 0; i < padded; i += lanes) {
    const Vector power = exp2(_mm512_sub_ps(load(s + i), m));
    store(s + i, power);
    sums = _mm512_add_ps(sums, power);
  }
  const Vector reciprocal = broadcast(1 / _mm512_reduce_add_ps(sums));
  for (int64_t i = 0; i < padded; i += lanes) {
    const Vector probability = _mm512_mul_ps(load(s + i), reciprocal);
    store(s + i, probability);
    products = _mm512_fmadd_ps(probability, load(dP + i), products);
  }
  const Vector product = broadcast(_mm512_reduce_add_ps(products));
  for (int64_t i = 0; i < padded; i += lanes)
    store(dP + i, _mm512_mul_ps(_mm512_mul_ps(load(s + i), _mm512_sub_ps(load(dP + i), product)), factor));
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

AVX512_END

} // namespace tempflow::cpu
#endif

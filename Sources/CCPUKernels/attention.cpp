#include "attention.h"

#if defined(__x86_64__)
#include "gemm.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tempflow::cpu::SIMD {

SIMD_BEGIN

namespace {

// Copies up to 16 consecutive tokens, divided by their root mean square if they have a norm.
INLINE void copyNormed(const HeadRows &rows, int64_t first, int64_t count, int64_t width, float epsilon, float *out) {
  const float *input = rows.data + first * rows.stride;
  if (!rows.normWeight) {
    for (int64_t row = 0; row < count; ++row)
      std::memcpy(out + row * width, input + row * rows.stride, width * sizeof(float));
    return;
  }
  Vector squares[lanes] = {};
  for (int64_t row = 0; row < count; ++row)
    for (int64_t i = 0; i < width; i += lanes) {
      const Vector value = load(input + row * rows.stride + i);
      squares[row] += value * value;
    }
  const Vector factors = rsqrt(rowSums(squares) / static_cast<float>(width) + epsilon);
  for (int64_t row = 0; row < count; ++row)
    for (int64_t i = 0; i < width; i += lanes)
      store(out + row * width + i,
            load(input + row * rows.stride + i) * factors[row] * load(rows.normWeight + i));
}

// s becomes p = exp(scale s + bias - m) for 16 queries. Returns l.
INLINE Vector softmax(AttentionBuffers &buffers, float scale) {
  Vector maxima[lanes], l[lanes] = {};
  for (int64_t q = 0; q < lanes; ++q) {
    float *s = &buffers.logits[q * buffers.padded];
    maxima[q] = broadcast(-INFINITY);
    for (int64_t i = 0; i < buffers.padded; i += lanes) {
      const Vector logit = load(s + i) * scale + load(&buffers.bias[i]);
      store(s + i, logit);
      maxima[q] = larger(maxima[q], logit);
    }
  }
  const Vector m = rowMaxima(maxima);
  for (int64_t q = 0; q < lanes; ++q) {
    float *s = &buffers.logits[q * buffers.padded];
    for (int64_t i = 0; i < buffers.padded; i += lanes) {
      const Vector p = exp2((load(s + i) - m[q]) * log2e);
      store(s + i, p);
      l[q] += p;
    }
  }
  return rowSums(l);
}

void readKeysAndValues(AttentionBuffers &buffers, const HeadInput &input) {
  const int64_t width = buffers.width;
  float *normed = buffers.output.data();
  for (int64_t stream = 0, key = 0; stream < 2; ++stream) {
    const HeadRows &k = input.k[stream], &v = input.v[stream];
    for (int64_t start = 0; start < k.count; start += lanes) {
      const int64_t count = std::min(lanes, k.count - start);
      copyNormed(k, start, count, width, input.epsilon, normed);
      transposeRows(normed, count, width, &buffers.keysTransposed[key], buffers.padded);
      for (int64_t row = 0; row < count; ++row, ++key)
        std::memcpy(&buffers.values[key * width], v.data + (start + row) * v.stride, width * sizeof(float));
    }
  }
}

} // namespace

AttentionBuffers::AttentionBuffers(int64_t width, int64_t keys, const float *bias)
    : width(width), keys(keys), padded((keys + lanes - 1) / lanes * lanes), bias(padded, -INFINITY),
      keysTransposed(width * padded), values(keys * width), queries(lanes * width), logits(lanes * padded),
      output(lanes * width) {
  if (bias)
    std::copy(bias, bias + keys, this->bias.begin());
  else
    std::fill(this->bias.begin(), this->bias.begin() + keys, 0.0f);
}

void attention(AttentionBuffers &buffers, const HeadInput &input, float *const *out) {
  const int64_t width = buffers.width, padded = buffers.padded;
  const float scale = 1 / std::sqrt(static_cast<float>(width));
  readKeysAndValues(buffers, input);
  float *o = buffers.output.data();
  for (int64_t stream = 0; stream < 2; ++stream) {
    const HeadRows &q = input.q[stream];
    for (int64_t start = 0; start < q.count; start += lanes) {
      const int64_t count = std::min(lanes, q.count - start);
      copyNormed(q, start, count, width, input.epsilon, buffers.queries.data());
      gemm(lanes, padded, width, {buffers.queries.data(), width, 1}, buffers.keysTransposed.data(), padded, false,
           buffers.logits.data(), padded);
      const Vector factors = 1.0f / softmax(buffers, scale);
      gemm(lanes, width, buffers.keys, {buffers.logits.data(), padded, 1}, buffers.values.data(), width, false, o,
           width);
      for (int64_t row = 0; row < count; ++row)
        for (int64_t i = 0; i < width; i += lanes)
          store(out[stream] + (start + row) * q.stride + i, load(o + row * width + i) * factors[row]);
    }
  }
}

SIMD_END

} // namespace tempflow::cpu::SIMD
#endif

// Attention of two streams of tokens over both, and its steps.

#include "kernels.h"
#include "matrix_product.h"
#include "matrix_tiles.h"

#if defined(__x86_64__)
#include <algorithm>
#include <cmath>
#include <cstring>

VECTORS_BEGIN

// Here, so that its functions may use the vectors, too.
#include "row_reductions.h"

namespace {

// `1 / sqrt(x)`
INLINE Vector reciprocalRoot(Vector x) { return 1.0f / _mm512_sqrt_ps(x); }

// Divides up to 16 tokens by their root mean square and writes them one after the other, `width` numbers each.
INLINE void normalise(const Rows &rows, int64_t first, int64_t count, int64_t width, float epsilon, float *out) {
  const float *input = rows.first + first * rows.stride;
  if (!rows.weight) {
    for (int64_t row = 0; row < count; ++row)
      std::memcpy(out + row * width, input + row * rows.stride, width * sizeof(float));
    return;
  }
  Vector squares[lanes] = {};
  for (int64_t row = 0; row < count; ++row)
    for (int64_t i = 0; i < width; i += lanes) {
      const Vector value = read(input + row * rows.stride + i);
      squares[row] += value * value;
    }
  const Vector factors = reciprocalRoot(sums(squares) / static_cast<float>(width) + epsilon);
  for (int64_t row = 0; row < count; ++row)
    for (int64_t i = 0; i < width; i += lanes)
      write(out + row * width + i,
            read(input + row * rows.stride + i) * factors[row] * read(rows.weight + i));
}

// Turns the logits of 16 queries into weights that add up to what is returned.
INLINE Vector softmax(Head &head, float scale) {
  Vector most[lanes], total[lanes] = {};
  for (int64_t q = 0; q < lanes; ++q) {
    float *row = &head.logits[q * head.padded];
    most[q] = _mm512_set1_ps(-INFINITY);
    for (int64_t i = 0; i < head.padded; i += lanes) {
      const Vector next = read(row + i) * scale + read(&head.bias[i]);
      write(row + i, next);
      most[q] = _mm512_max_ps(most[q], next);
    }
  }
  const Vector peaks = largest(most);
  for (int64_t q = 0; q < lanes; ++q) {
    float *row = &head.logits[q * head.padded];
    for (int64_t i = 0; i < head.padded; i += lanes) {
      const Vector power = powerOfTwo((read(row + i) - peaks[q]) * log2e);
      write(row + i, power);
      total[q] += power;
    }
  }
  return sums(total);
}

INLINE void attend(Head &head, const Rows *queries, const Rows *keys, const Rows *values, float epsilon,
                   float *const *out) {
  const int64_t width = head.width;
  const float scale = 1 / std::sqrt(static_cast<float>(width));
  float *scratch = head.attended.data();
  for (int64_t stream = 0, key = 0; stream < 2; ++stream)
    for (int64_t start = 0; start < keys[stream].count; start += lanes) {
      const int64_t count = std::min(lanes, keys[stream].count - start);
      normalise(keys[stream], start, count, width, epsilon, scratch);
      transposeRows(scratch, count, width, &head.keysTransposed[key], head.padded);
      for (int64_t row = 0; row < count; ++row, ++key)
        std::memcpy(&head.values[key * width], values[stream].first + (start + row) * values[stream].stride,
                    width * sizeof(float));
    }
  for (int64_t stream = 0; stream < 2; ++stream)
    for (int64_t start = 0; start < queries[stream].count; start += lanes) {
      const int64_t count = std::min(lanes, queries[stream].count - start);
      normalise(queries[stream], start, count, width, epsilon, head.queries.data());
      multiply(lanes, width, head.padded, head.queries.data(), width, 1, head.keysTransposed.data(), head.padded, false,
               head.logits.data(), head.padded);
      const Vector shares = 1.0f / softmax(head, scale);
      multiply(lanes, head.keys, width, head.logits.data(), head.padded, 1, head.values.data(), width, false, scratch,
               width);
      for (int64_t q = 0; q < count; ++q)
        for (int64_t i = 0; i < width; i += lanes)
          write(out[stream] + (start + q) * queries[stream].stride + i,
                read(scratch + q * width + i) * shares[q]);
    }
}

} // namespace

Head::Head(int64_t width, int64_t keys, const float *bias)
    : width(width), keys(keys), padded((keys + lanes - 1) / lanes * lanes), bias(padded, -INFINITY),
      keysTransposed(width * padded), values(keys * width), queries(lanes * width), logits(lanes * padded),
      attended(lanes * width) {
  if (bias)
    std::copy(bias, bias + keys, this->bias.begin());
  else
    std::fill(this->bias.begin(), this->bias.begin() + keys, 0.0f);
}

void applyAttention(Head &head, const Rows *queries, const Rows *keys, const Rows *values, float epsilon,
                    float *const *out) {
  attend(head, queries, keys, values, epsilon, out);
}

VECTORS_END
#endif

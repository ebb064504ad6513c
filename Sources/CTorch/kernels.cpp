#include "kernels.h"
#include "tensors.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

// Steps of a transformer's block for evaluations without gradients on the processor, where libtorch's operators
// spend more time on generality than on arithmetic.

#if defined(__x86_64__) && defined(__linux__)
#define MULTIVERSIONED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MULTIVERSIONED
#endif
#define INLINE static inline __attribute__((always_inline))

namespace {

constexpr int64_t lanes = 16;
typedef float Vector __attribute__((vector_size(lanes * sizeof(float))));
typedef int32_t Integers __attribute__((vector_size(lanes * sizeof(int32_t))));

template <typename T> INLINE T read(const void *from) {
  T value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}
template <typename T> INLINE void write(void *to, T value) { __builtin_memcpy(to, &value, sizeof value); }

INLINE Vector broadcast(float value) { return Vector{} + value; }

INLINE Vector select(Integers mask, Vector yes, Vector no) {
  return std::bit_cast<Vector>((std::bit_cast<Integers>(yes) & mask) | (std::bit_cast<Integers>(no) & ~mask));
}

// e^x within 2 units in the last place: 2^n times a polynomial on -ln 2 / 2 ... ln 2 / 2. NaN stays NaN.
INLINE Vector exponential(Vector x) {
  x = select(x > 88.0f, broadcast(88.0f), x);
  x = select(x < -87.0f, broadcast(-87.0f), x);
  const Vector magic = broadcast(12582912.0f);
  const Vector shifted = x * 1.44269504f + magic;
  const Vector n = shifted - magic;
  Vector r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  Vector p = broadcast(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  const Integers exponent = __builtin_convertvector(n, Integers) << 23;
  return std::bit_cast<Vector>(std::bit_cast<Integers>(p) + exponent);
}

INLINE Vector larger(Vector a, Vector b) { return select(b > a, b, a); }

INLINE Vector reciprocalRoot(Vector x) {
  for (int64_t i = 0; i < lanes; ++i) x[i] = 1 / std::sqrt(x[i]);
  return x;
}

// Lanes of `a` where the index lacks the bit `d`, of `b` where it has it; with `x`, those at a distance of `d`.
#define LANE(i, d, x) ((((i) & d) ? lanes : 0) + ((i) ^ (x)))
#define PAIRED(a, b, d, x)                                                                                             \
  __builtin_shufflevector(a, b, LANE(0, d, x), LANE(1, d, x), LANE(2, d, x), LANE(3, d, x), LANE(4, d, x),             \
                          LANE(5, d, x), LANE(6, d, x), LANE(7, d, x), LANE(8, d, x), LANE(9, d, x), LANE(10, d, x),   \
                          LANE(11, d, x), LANE(12, d, x), LANE(13, d, x), LANE(14, d, x), LANE(15, d, x))

// Number i of the result joins all numbers of `rows[i]`: 16 rows in the steps of one.
template <typename Join> INLINE Vector reduced(Vector *rows, Join join) {
  for (int i = 0; i < 8; ++i) rows[i] = join(PAIRED(rows[i], rows[i + 8], 8, 0), PAIRED(rows[i], rows[i + 8], 8, 8));
  for (int i = 0; i < 4; ++i) rows[i] = join(PAIRED(rows[i], rows[i + 4], 4, 0), PAIRED(rows[i], rows[i + 4], 4, 4));
  for (int i = 0; i < 2; ++i) rows[i] = join(PAIRED(rows[i], rows[i + 2], 2, 0), PAIRED(rows[i], rows[i + 2], 2, 2));
  return join(PAIRED(rows[0], rows[1], 1, 0), PAIRED(rows[0], rows[1], 1, 1));
}
INLINE Vector sums(Vector *rows) {
  return reduced(rows, [](Vector a, Vector b) __attribute__((always_inline)) { return a + b; });
}
INLINE Vector largest(Vector *rows) {
  return reduced(rows, [](Vector a, Vector b) __attribute__((always_inline)) { return larger(a, b); });
}

// gelu(x) = x / (1 + exp(-2 u)) with u = sqrt(2 / pi) (x + 0.044715 x^3), which is 0.5 x (1 + tanh u).
INLINE void gelu(float *x, int64_t count) {
  for (int64_t i = 0; i < count; i += lanes) {
    const Vector value = read<Vector>(x + i);
    const Vector inner = value * (value * value * 0.044715f + 1.0f) * -1.5957691216f;
    write(x + i, value / (exponential(inner) + 1.0f));
  }
}

INLINE void modulatedNorm(const float *x, const float *shift, const float *scale, float *out, int64_t batch,
                          int64_t tokens, int64_t width, int64_t stride, float epsilon) {
  for (int64_t start = 0; start < batch * tokens; start += lanes) {
    const int64_t count = std::min(lanes, batch * tokens - start);
    Vector totals[lanes] = {}, squares[lanes] = {};
    for (int64_t row = 0; row < count; ++row)
      for (int64_t i = 0; i < width; i += lanes) totals[row] += read<Vector>(x + (start + row) * width + i);
    const Vector means = sums(totals) / static_cast<float>(width);
    for (int64_t row = 0; row < count; ++row)
      for (int64_t i = 0; i < width; i += lanes) {
        const Vector difference = read<Vector>(x + (start + row) * width + i) - means[row];
        squares[row] += difference * difference;
      }
    const Vector factors = reciprocalRoot(sums(squares) / static_cast<float>(width) + epsilon);
    for (int64_t row = 0; row < count; ++row) {
      const int64_t sample = (start + row) / tokens;
      const float *moved = shift + sample * stride, *scaled = scale + sample * stride;
      for (int64_t i = 0; i < width; i += lanes) {
        const int64_t at = (start + row) * width + i;
        const Vector normed = (read<Vector>(x + at) - means[row]) * factors[row];
        write(out + at, read<Vector>(moved + i) + normed * (read<Vector>(scaled + i) + 1.0f));
      }
    }
  }
}

INLINE void gate(const float *x, const float *gates, const float *update, float *out, int64_t batch, int64_t tokens,
                 int64_t width, int64_t stride) {
  for (int64_t row = 0; row < batch * tokens; ++row) {
    const float *gate = gates + row / tokens * stride;
    for (int64_t i = row * width, column = 0; column < width; i += lanes, column += lanes)
      write(out + i, read<Vector>(x + i) + read<Vector>(gate + column) * read<Vector>(update + i));
  }
}

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
      const Vector value = read<Vector>(input + row * rows.stride + i);
      squares[row] += value * value;
    }
  const Vector factors = reciprocalRoot(sums(squares) / static_cast<float>(width) + epsilon);
  for (int64_t row = 0; row < count; ++row)
    for (int64_t i = 0; i < width; i += lanes)
      write(out + row * width + i,
            read<Vector>(input + row * rows.stride + i) * factors[row] * read<Vector>(rows.weight + i));
}

// out[q][:] = sum_k left[q][k] right[k][:] for 8 queries
INLINE void product(const float *left, int64_t leftStride, const float *right, int64_t rightStride, int64_t inner,
                    int64_t width, float *out, int64_t outStride) {
  constexpr int64_t together = 8;
  for (int64_t column = 0; column < width; column += 2 * lanes) {
    const bool isWide = column + lanes < width;
    Vector first[together] = {}, second[together] = {};
    for (int64_t k = 0; k < inner; ++k) {
      const Vector low = read<Vector>(right + k * rightStride + column);
      const Vector high = isWide ? read<Vector>(right + k * rightStride + column + lanes) : Vector{};
      for (int64_t q = 0; q < together; ++q) {
        first[q] += low * left[q * leftStride + k];
        second[q] += high * left[q * leftStride + k];
      }
    }
    for (int64_t q = 0; q < together; ++q) {
      write(out + q * outStride + column, first[q]);
      if (isWide) write(out + q * outStride + column + lanes, second[q]);
    }
  }
}

// Turns the logits of 16 queries into weights that add up to what is returned.
INLINE Vector softmax(Head &head, float scale) {
  Vector most[lanes], total[lanes] = {};
  for (int64_t q = 0; q < lanes; ++q) {
    float *row = &head.logits[q * head.padded];
    most[q] = broadcast(-INFINITY);
    for (int64_t i = 0; i < head.padded; i += lanes) {
      const Vector next = read<Vector>(row + i) * scale + read<Vector>(&head.bias[i]);
      write(row + i, next);
      most[q] = larger(most[q], next);
    }
  }
  const Vector peaks = largest(most);
  for (int64_t q = 0; q < lanes; ++q) {
    float *row = &head.logits[q * head.padded];
    for (int64_t i = 0; i < head.padded; i += lanes) {
      const Vector power = exponential(read<Vector>(row + i) - peaks[q]);
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
      for (int64_t row = 0; row < count; ++row, ++key) {
        for (int64_t i = 0; i < width; ++i) head.keysTransposed[i * head.padded + key] = scratch[row * width + i];
        std::memcpy(&head.values[key * width], values[stream].first + (start + row) * values[stream].stride,
                    width * sizeof(float));
      }
    }
  for (int64_t stream = 0; stream < 2; ++stream)
    for (int64_t start = 0; start < queries[stream].count; start += lanes) {
      const int64_t count = std::min(lanes, queries[stream].count - start);
      normalise(queries[stream], start, count, width, epsilon, head.queries.data());
      for (int64_t half = 0; half < lanes; half += lanes / 2)
        product(&head.queries[half * width], width, head.keysTransposed.data(), head.padded, width, head.padded,
                &head.logits[half * head.padded], head.padded);
      const Vector shares = 1.0f / softmax(head, scale);
      for (int64_t half = 0; half < lanes; half += lanes / 2)
        product(&head.logits[half * head.padded], head.padded, head.values.data(), width, head.keys, width,
                scratch + half * width, width);
      for (int64_t q = 0; q < count; ++q)
        for (int64_t i = 0; i < width; i += lanes)
          write(out[stream] + (start + q) * queries[stream].stride + i,
                read<Vector>(scratch + q * width + i) * shares[q]);
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

// One copy for every kind of processor; the functions above become part of each.
MULTIVERSIONED void applyGELU(float *x, int64_t count) { gelu(x, count); }
MULTIVERSIONED void applyNorm(const float *x, const float *shift, const float *scale, float *out, int64_t batch,
                              int64_t tokens, int64_t width, int64_t stride, float epsilon) {
  modulatedNorm(x, shift, scale, out, batch, tokens, width, stride, epsilon);
}
MULTIVERSIONED void applyGate(const float *x, const float *gates, const float *update, float *out, int64_t batch,
                              int64_t tokens, int64_t width, int64_t stride) {
  gate(x, gates, update, out, batch, tokens, width, stride);
}
MULTIVERSIONED void applyAttention(Head &head, const Rows *queries, const Rows *keys, const Rows *values,
                                   float epsilon, float *const *out) {
  attend(head, queries, keys, values, epsilon, out);
}

void ctorch_modulated_norm(const CTorchTensor *x, const CTorchTensor *shift, const CTorchTensor *scale, double epsilon,
                           CTorchTensor *out) {
  const auto sizes = implementation(x)->sizes();
  applyNorm(numbers(x), numbers(shift), numbers(scale), numbers(out), sizes[0], sizes[1], sizes[2],
            implementation(shift)->strides()[0], static_cast<float>(epsilon));
}

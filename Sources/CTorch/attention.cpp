// Attention in bfloat16 on processors that multiply bfloat16, in place of libtorch's, whose products
// go through a library that has no fast path for some of them. Processors that only have vectors compute it in
// float32; other cases go back to libtorch's kernels.

#include "bfloat16.h"
#include "kernel_switch.h"
#include "parallel.h"

#if defined(__x86_64__)
#include <ATen/ATen.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward_native.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_native.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

BFLOAT16_BEGIN

namespace {

using at::BFloat16;
constexpr int64_t blockKeys = 512;   // keys whose logits, keys and values stay in the second cache
constexpr int64_t tileQueries = 6;   // rows of one product at a time: 6 x 4 accumulators
constexpr int64_t blockQueries = 48; // queries whose probabilities are held at once in the derivative
constexpr int64_t roundedUp(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

// Two bfloat16 numbers that are multiplied and added in one operation.
typedef uint32_t Pair;

INLINE Pair pairAt(const void *from) {
  Pair value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

INLINE __m512i widened(Vector x) { return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(x)); }

// The pairs of two rows, column by column.
INLINE __m512i paired(__m512i even, __m512i odd) { return _mm512_or_si512(even, _mm512_slli_epi32(odd, 16)); }

// A factor of a product: element (row, k) is the pair at `first + row * rowStride + k * pairStride`, in pairs.
struct Left {
  const void *first;
  int64_t rowStride;
  int64_t pairStride;
};

// out[m][n] (+)= sum_k left(m, k) . right[k][n] for M rows and 16 N columns
template <int M, int N>
static void product(Left left, const Pair *right, int64_t rightStride, int64_t pairs, float *out, int64_t outStride,
                    bool adds) {
  Vector sums[M][N];
  for (int m = 0; m < M; ++m)
    for (int n = 0; n < N; ++n) sums[m][n] = adds ? _mm512_loadu_ps(out + m * outStride + n * lanes) : _mm512_setzero_ps();
  const char *from = static_cast<const char *>(left.first);
  for (int64_t k = 0; k < pairs; ++k) {
    __m512bh columns[N];
    for (int n = 0; n < N; ++n) columns[n] = (__m512bh)_mm512_loadu_si512(right + k * rightStride + n * lanes);
    for (int m = 0; m < M; ++m) {
      const __m512bh factor = (__m512bh)_mm512_set1_epi32(pairAt(from + 4 * (m * left.rowStride + k * left.pairStride)));
      for (int n = 0; n < N; ++n) sums[m][n] = _mm512_dpbf16_ps(sums[m][n], factor, columns[n]);
    }
  }
  for (int m = 0; m < M; ++m)
    for (int n = 0; n < N; ++n) _mm512_storeu_ps(out + m * outStride + n * lanes, sums[m][n]);
}

template <int M>
INLINE void productOfRows(Left left, const Pair *right, int64_t rightStride, int64_t pairs, int64_t columns, float *out,
                          int64_t outStride, bool adds) {
  int64_t column = 0;
  for (; column + 4 * lanes <= columns; column += 4 * lanes)
    product<M, 4>(left, right + column, rightStride, pairs, out + column, outStride, adds);
  switch ((columns - column) / lanes) {
  case 3: product<M, 3>(left, right + column, rightStride, pairs, out + column, outStride, adds); break;
  case 2: product<M, 2>(left, right + column, rightStride, pairs, out + column, outStride, adds); break;
  case 1: product<M, 1>(left, right + column, rightStride, pairs, out + column, outStride, adds); break;
  }
}

// The same for any number of rows, and of columns in steps of 16.
void multiply(Left left, int64_t rows, const Pair *right, int64_t rightStride, int64_t pairs, int64_t columns, float *out,
              int64_t outStride, bool adds) {
  for (int64_t row = 0; row < rows; row += tileQueries) {
    const Left tile{static_cast<const char *>(left.first) + 4 * row * left.rowStride, left.rowStride, left.pairStride};
    float *to = out + row * outStride;
    switch (std::min(tileQueries, rows - row)) {
    case 6: productOfRows<6>(tile, right, rightStride, pairs, columns, to, outStride, adds); break;
    case 5: productOfRows<5>(tile, right, rightStride, pairs, columns, to, outStride, adds); break;
    case 4: productOfRows<4>(tile, right, rightStride, pairs, columns, to, outStride, adds); break;
    case 3: productOfRows<3>(tile, right, rightStride, pairs, columns, to, outStride, adds); break;
    case 2: productOfRows<2>(tile, right, rightStride, pairs, columns, to, outStride, adds); break;
    case 1: productOfRows<1>(tile, right, rightStride, pairs, columns, to, outStride, adds); break;
    }
  }
}

// One head of a tensor `[B, H, S, d]`.
struct Matrix {
  const BFloat16 *first;
  int64_t rows;
  int64_t stride;

  const BFloat16 *row(int64_t index) const { return first + index * stride; }
  Left left(int64_t row) const { return {first + row * stride, stride / 2, 1}; }
};

// Rows as columns: `out[i][row]` holds elements 2 i and 2 i + 1 of a row. `[rows, width] -> [width / 2, stride]`
void packTransposed(const Matrix &matrix, int64_t start, int64_t count, int64_t width, Pair *out, int64_t stride) {
  for (int64_t row = 0; row < count; ++row) {
    const BFloat16 *from = matrix.row(start + row);
    for (int64_t i = 0; i < width / 2; ++i) out[i * stride + row] = pairAt(from + 2 * i);
  }
  for (int64_t i = 0; i < width / 2; ++i) std::fill(out + i * stride + count, out + (i + 1) * stride, 0);
}

// Neighbouring rows side by side: `out[j][column]` holds that of rows 2 j and 2 j + 1. `-> [count / 2, width]`
void packPaired(const Matrix &matrix, int64_t start, int64_t count, int64_t width, Pair *out) {
  for (int64_t row = 0; row < count; row += 2, out += width) {
    const BFloat16 *even = matrix.row(start + row);
    const BFloat16 *odd = row + 1 < count ? matrix.row(start + row + 1) : nullptr;
    for (int64_t i = 0; i < width; i += lanes) {
      const __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(even + i)));
      const __m512i high =
          odd ? _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(odd + i))) : _mm512_setzero_si512();
      _mm512_storeu_si512(out + i, paired(low, high));
    }
  }
}

void store(const float *from, int64_t rows, int64_t width, BFloat16 *out, int64_t stride) {
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t i = 0; i < width; i += lanes)
      write(out + row * stride + i, _mm512_loadu_ps(from + row * width + i));
}

// What all heads share.
struct Problem {
  at::Tensor query, key, value;
  std::vector<float> bias; // per key, times log2 e; -inf behind the last
  float scale;             // of the logits, times log2 e
  int64_t heads, width, queries, keys;

  Matrix head(const at::Tensor &tensor, int64_t index) const {
    const BFloat16 *first = static_cast<const BFloat16 *>(tensor.const_data_ptr());
    return {first + index / heads * tensor.stride(0) + index % heads * tensor.stride(1), tensor.size(2),
            tensor.stride(2)};
  }
  int64_t headCount() const { return query.size(0) * heads; }
};

// Memory of one thread for one head after the other.
struct ForwardSpace {
  std::vector<Pair> keys, values;
  std::vector<float> logits, attended, most, sums;
  std::vector<BFloat16> powers;

  explicit ForwardSpace(const Problem &problem) {
    const int64_t block = std::min(blockKeys, roundedUp(problem.keys, lanes));
    keys.resize(problem.width / 2 * block);
    values.resize(block / 2 * problem.width);
    logits.resize(tileQueries * block);
    powers.resize(tileQueries * block);
    const int64_t held = problem.keys > block ? problem.queries : tileQueries;
    attended.resize(held * problem.width);
    most.resize(held);
    sums.resize(held);
  }
};

// Turns logits into powers of e relative to the largest of all blocks so far, and scales what those gave.
INLINE void weigh(const float *bias, float scale, int64_t columns, const float *logits, BFloat16 *powers, float *attended,
                  int64_t width, float &most, float &sum, bool isFirst) {
  const Vector factor = _mm512_set1_ps(scale);
  Vector largest = _mm512_set1_ps(isFirst ? -1e30f : most);
  for (int64_t i = 0; i < columns; i += lanes)
    largest = _mm512_max_ps(largest, _mm512_fmadd_ps(_mm512_loadu_ps(logits + i), factor, _mm512_loadu_ps(bias + i)));
  const float peak = _mm512_reduce_max_ps(largest);
  Vector total = _mm512_setzero_ps();
  for (int64_t i = 0; i < columns; i += lanes) {
    const Vector logit = _mm512_fmadd_ps(_mm512_loadu_ps(logits + i), factor, _mm512_loadu_ps(bias + i));
    const Vector power = powerOfTwo(_mm512_sub_ps(logit, _mm512_set1_ps(peak)));
    total = _mm512_add_ps(total, power);
    write(powers + i, power);
  }
  const float added = _mm512_reduce_add_ps(total);
  if (isFirst) {
    sum = added;
  } else {
    const float shrunk = std::exp2(most - peak);
    sum = sum * shrunk + added;
    for (int64_t i = 0; i < width; i += lanes)
      _mm512_storeu_ps(attended + i, _mm512_mul_ps(_mm512_loadu_ps(attended + i), _mm512_set1_ps(shrunk)));
  }
  most = peak;
}

void attend(const Problem &problem, int64_t index, ForwardSpace &space, BFloat16 *out, int64_t outStride, float *logSums,
            int64_t logSumStride) {
  const int64_t width = problem.width;
  const Matrix queries = problem.head(problem.query, index);
  const Matrix keys = problem.head(problem.key, index), values = problem.head(problem.value, index);
  const bool isWhole = problem.keys <= blockKeys;
  for (int64_t start = 0; start < problem.keys; start += blockKeys) {
    const int64_t count = std::min(blockKeys, problem.keys - start), columns = roundedUp(count, lanes);
    packTransposed(keys, start, count, width, space.keys.data(), columns);
    packPaired(values, start, count, width, space.values.data());
    for (int64_t row = 0; row < problem.queries; row += tileQueries) {
      const int64_t rows = std::min(tileQueries, problem.queries - row), held = isWhole ? 0 : row;
      float *attended = &space.attended[held * width];
      multiply(queries.left(row), rows, space.keys.data(), columns, width / 2, columns, space.logits.data(), columns,
               false);
      for (int64_t q = 0; q < rows; ++q)
        weigh(&problem.bias[start], problem.scale, columns, &space.logits[q * columns], &space.powers[q * columns],
              attended + q * width, width, space.most[held + q], space.sums[held + q], start == 0);
      multiply({space.powers.data(), columns / 2, 1}, rows, space.values.data(), width, (count + 1) / 2, width, attended,
               width, start > 0);
      if (start + count < problem.keys) continue;
      for (int64_t q = 0; q < rows; ++q) {
        const float sum = space.sums[held + q];
        for (int64_t i = 0; i < width; i += lanes)
          _mm512_storeu_ps(attended + q * width + i,
                           _mm512_div_ps(_mm512_loadu_ps(attended + q * width + i), _mm512_set1_ps(sum)));
        logSums[(row + q) * logSumStride] = space.most[held + q] / log2e + std::log(sum);
      }
      store(attended, rows, width, out + row * outStride, outStride);
    }
  }
}

// Memory of one thread for the derivative of one head after the other.
struct BackwardSpace {
  std::vector<Pair> keys, values, pairedKeys, queries, outputs, powers, changes;
  std::vector<float> logits, products, queryGradient, keyGradient, valueGradient, deltas;
  std::vector<BFloat16> rowChanges;

  explicit BackwardSpace(const Problem &problem) {
    const int64_t block = std::min(blockKeys, roundedUp(problem.keys, lanes)), width = problem.width;
    for (auto *packed : {&keys, &values, &pairedKeys}) packed->resize(block / 2 * width);
    for (auto *packed : {&queries, &outputs}) packed->resize(blockQueries / 2 * width);
    for (auto *pairs : {&powers, &changes}) pairs->resize(blockQueries / 2 * block);
    for (auto *values : {&logits, &products}) values->resize(blockQueries * block);
    rowChanges.resize(blockQueries * block);
    queryGradient.resize(problem.queries * width);
    keyGradient.resize(block * width);
    valueGradient.resize(block * width);
    deltas.resize(problem.queries);
  }
};

// From logits and the products of the output's gradient with the values: probabilities P, and the
// logits' gradient P (product - delta) times the scale, of two queries, paired and row by row.
INLINE void differentiate(const float *bias, float scale, int64_t columns, const float *logits, const float *products,
                          float logSum, float delta, bool isThere, int64_t i, __m512i &powers, __m512i &changes) {
  powers = changes = _mm512_setzero_si512();
  if (!isThere) return;
  const Vector logit =
      _mm512_fmadd_ps(_mm512_loadu_ps(logits + i), _mm512_set1_ps(scale), _mm512_loadu_ps(bias + i));
  const Vector power = powerOfTwo(_mm512_sub_ps(logit, _mm512_set1_ps(logSum)));
  const Vector change = _mm512_mul_ps(power, _mm512_sub_ps(_mm512_loadu_ps(products + i), _mm512_set1_ps(delta)));
  powers = widened(power);
  changes = widened(_mm512_mul_ps(change, _mm512_set1_ps(scale / log2e)));
}

void differentiateHead(const Problem &problem, int64_t index, BackwardSpace &space, const Matrix &outputs,
                       const Matrix &gradients, const float *logSums, int64_t logSumStride, BFloat16 *const *out,
                       const int64_t *outStrides) {
  const int64_t width = problem.width;
  const Matrix queries = problem.head(problem.query, index);
  const Matrix keys = problem.head(problem.key, index), values = problem.head(problem.value, index);
  for (int64_t row = 0; row < problem.queries; ++row) {
    Vector sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < width; i += lanes) {
      sum = _mm512_fmadd_ps(read(outputs.row(row) + i), read(gradients.row(row) + i), sum);
    }
    space.deltas[row] = _mm512_reduce_add_ps(sum);
  }
  for (int64_t start = 0; start < problem.keys; start += blockKeys) {
    const int64_t count = std::min(blockKeys, problem.keys - start), columns = roundedUp(count, lanes);
    packTransposed(keys, start, count, width, space.keys.data(), columns);
    packTransposed(values, start, count, width, space.values.data(), columns);
    packPaired(keys, start, count, width, space.pairedKeys.data());
    for (int64_t row = 0; row < problem.queries; row += blockQueries) {
      const int64_t rows = std::min(blockQueries, problem.queries - row);
      multiply(queries.left(row), rows, space.keys.data(), columns, width / 2, columns, space.logits.data(), columns,
               false);
      multiply(gradients.left(row), rows, space.values.data(), columns, width / 2, columns, space.products.data(),
               columns, false);
      for (int64_t q = 0; q < rows; q += 2) {
        const float *bias = &problem.bias[start];
        for (int64_t i = 0; i < columns; i += lanes) {
          __m512i powers[2], changes[2];
          for (int64_t side = 0; side < 2; ++side) {
            const bool isThere = q + side < rows;
            const int64_t from = isThere ? q + side : q;
            differentiate(bias, problem.scale, columns, &space.logits[from * columns], &space.products[from * columns],
                          logSums[(row + from) * logSumStride] * log2e, space.deltas[row + from], isThere, i,
                          powers[side], changes[side]);
            if (isThere)
              _mm256_storeu_si256((__m256i *)&space.rowChanges[from * columns + i],
                                  _mm512_cvtepi32_epi16(changes[side]));
          }
          _mm512_storeu_si512(&space.powers[q / 2 * columns + i], paired(powers[0], powers[1]));
          _mm512_storeu_si512(&space.changes[q / 2 * columns + i], paired(changes[0], changes[1]));
        }
      }
      packPaired(queries, row, rows, width, space.queries.data());
      packPaired(gradients, row, rows, width, space.outputs.data());
      const int64_t pairs = (rows + 1) / 2;
      multiply({space.powers.data(), 1, columns}, count, space.outputs.data(), width, pairs, width,
               space.valueGradient.data(), width, row > 0);
      multiply({space.changes.data(), 1, columns}, count, space.queries.data(), width, pairs, width,
               space.keyGradient.data(), width, row > 0);
      multiply({space.rowChanges.data(), columns / 2, 1}, rows, space.pairedKeys.data(), width, (count + 1) / 2, width,
               &space.queryGradient[row * width], width, start > 0);
    }
    store(space.keyGradient.data(), count, width, out[1] + start * outStrides[1], outStrides[1]);
    store(space.valueGradient.data(), count, width, out[2] + start * outStrides[2], outStrides[2]);
  }
  store(space.queryGradient.data(), problem.queries, width, out[0], outStrides[0]);
}

} // namespace

BFLOAT16_END

namespace {

bool isMatrix(const at::Tensor &tensor) {
  return tensor.scalar_type() == at::kBFloat16 && tensor.dim() == 4 && tensor.stride(3) == 1 && tensor.stride(2) % 2 == 0;
}

// Whether the mask is one number per key, the same for every query, head and sample.
bool isPerKey(const at::Tensor &mask, int64_t keys) {
  if (!mask.is_floating_point() || mask.dim() == 0 || mask.size(-1) != keys) return false;
  for (int64_t dim = 0; dim + 1 < mask.dim(); ++dim)
    if (mask.size(dim) != 1 && mask.stride(dim) != 0) return false;
  return true;
}

bool applies(const at::Tensor &query, const at::Tensor &key, const at::Tensor &value, double dropout, bool isCausal,
             const std::optional<at::Tensor> &mask) {
  return hasBFloat16() && isMatrix(query) && isMatrix(key) && isMatrix(value) && dropout == 0 && !isCausal &&
         query.size(3) % lanes == 0 && query.size(3) == value.size(3) && query.size(1) == key.size(1) &&
         query.numel() > 0 && key.numel() > 0 && (!mask || !mask->defined() || isPerKey(*mask, key.size(2)));
}

Problem problemOf(const at::Tensor &query, const at::Tensor &key, const at::Tensor &value,
                  const std::optional<at::Tensor> &mask, std::optional<double> scale) {
  Problem problem{query, key, value, {}, 0, query.size(1), query.size(3), query.size(2), key.size(2)};
  problem.scale = static_cast<float>(scale.value_or(1 / std::sqrt(static_cast<double>(problem.width)))) * log2e;
  problem.bias.assign(roundedUp(problem.keys, lanes), -INFINITY);
  if (mask && mask->defined()) {
    at::Tensor row = *mask;
    while (row.dim() > 1) row = row.select(0, 0);
    row = row.to(at::kFloat).contiguous();
    const float *from = static_cast<const float *>(row.const_data_ptr());
    for (int64_t key = 0; key < problem.keys; ++key) problem.bias[key] = from[key] * log2e;
  } else {
    std::fill(problem.bias.begin(), problem.bias.begin() + problem.keys, 0.0f);
  }
  return problem;
}

// `[B, S, H, d]` seen as `[B, H, S, d]`: heads of one token side by side, as the next layer wants them.
at::Tensor likeHeads(const at::Tensor &tensor) {
  return at::empty({tensor.size(0), tensor.size(2), tensor.size(1), tensor.size(3)}, tensor.options()).transpose(1, 2);
}

template <typename T> T *headOf(const at::Tensor &tensor, int64_t index) {
  const int64_t heads = tensor.size(1);
  return static_cast<T *>(tensor.mutable_data_ptr()) + index / heads * tensor.stride(0) + index % heads * tensor.stride(1);
}

// Where the processor does not multiply bfloat16, libtorch's kernel in float32 is several times as fast as its own for
// bfloat16. One sample after the other, so that little is held in both.
bool appliesWidened(const at::Tensor &query) { return !hasBFloat16() && query.scalar_type() == at::kBFloat16; }

at::Tensor widenedSample(const at::Tensor &tensor, int64_t sample) {
  return tensor.narrow(0, sample, 1).to(at::kFloat);
}

std::optional<at::Tensor> widenedSample(const std::optional<at::Tensor> &mask, int64_t sample) {
  if (!mask || !mask->defined()) return mask;
  const at::Tensor part = mask->dim() == 4 && mask->size(0) > 1 ? mask->narrow(0, sample, 1) : *mask;
  return part.is_floating_point() ? part.to(at::kFloat) : part;
}

at::Tensor emptyLogSums(const at::Tensor &query) {
  return at::empty({query.size(0), query.size(2), query.size(1)}, query.options().dtype(at::kFloat)).transpose(1, 2);
}

std::tuple<at::Tensor, at::Tensor> forward(const at::Tensor &query, const at::Tensor &key, const at::Tensor &value,
                                           double dropout, bool isCausal, const std::optional<at::Tensor> &mask,
                                           std::optional<double> scale) {
  if (appliesWidened(query)) {
    const at::Tensor out = likeHeads(query), logSums = emptyLogSums(query);
    for (int64_t sample = 0; sample < query.size(0); ++sample) {
      const auto [outOf, logSumsOf] = at::native::_scaled_dot_product_flash_attention_cpu(
          widenedSample(query, sample), widenedSample(key, sample), widenedSample(value, sample), dropout, isCausal,
          widenedSample(mask, sample), scale);
      out.narrow(0, sample, 1).copy_(outOf);
      logSums.narrow(0, sample, 1).copy_(logSumsOf);
    }
    return {out, logSums};
  }
  if (!applies(query, key, value, dropout, isCausal, mask))
    return at::native::_scaled_dot_product_flash_attention_cpu(query, key, value, dropout, isCausal, mask, scale);
  const Problem problem = problemOf(query, key, value, mask, scale);
  const at::Tensor out = likeHeads(query);
  const at::Tensor logSums = emptyLogSums(query);
  inParallel(problem.headCount(), 1, [&](int64_t begin, int64_t end) {
    ForwardSpace space(problem);
    for (int64_t index = begin; index < end; ++index)
      attend(problem, index, space, headOf<BFloat16>(out, index), out.stride(2), headOf<float>(logSums, index),
             logSums.stride(2));
  });
  return {out, logSums};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor>
backward(const at::Tensor &gradient, const at::Tensor &query, const at::Tensor &key, const at::Tensor &value,
         const at::Tensor &out, const at::Tensor &logSums, double dropout, bool isCausal,
         const std::optional<at::Tensor> &mask, std::optional<double> scale) {
  if (appliesWidened(query)) {
    const at::Tensor results[] = {likeHeads(query), likeHeads(key), likeHeads(value)};
    for (int64_t sample = 0; sample < query.size(0); ++sample) {
      const auto [queries, keys, values] = at::native::_scaled_dot_product_flash_attention_cpu_backward(
          widenedSample(gradient, sample), widenedSample(query, sample), widenedSample(key, sample),
          widenedSample(value, sample), widenedSample(out, sample), logSums.narrow(0, sample, 1), dropout, isCausal,
          widenedSample(mask, sample), scale);
      results[0].narrow(0, sample, 1).copy_(queries);
      results[1].narrow(0, sample, 1).copy_(keys);
      results[2].narrow(0, sample, 1).copy_(values);
    }
    return {results[0], results[1], results[2]};
  }
  if (!applies(query, key, value, dropout, isCausal, mask) || !isMatrix(out))
    return at::native::_scaled_dot_product_flash_attention_cpu_backward(gradient, query, key, value, out, logSums,
                                                                        dropout, isCausal, mask, scale);
  const at::Tensor gradients = isMatrix(gradient) ? gradient : gradient.contiguous();
  const Problem problem = problemOf(query, key, value, mask, scale);
  const at::Tensor results[] = {likeHeads(query), likeHeads(key), likeHeads(value)};
  inParallel(problem.headCount(), 1, [&](int64_t begin, int64_t end) {
    BackwardSpace space(problem);
    for (int64_t index = begin; index < end; ++index) {
      BFloat16 *to[3];
      int64_t strides[3];
      for (int i = 0; i < 3; ++i) {
        to[i] = headOf<BFloat16>(results[i], index);
        strides[i] = results[i].stride(2);
      }
      differentiateHead(problem, index, space, problem.head(out, index), problem.head(gradients, index),
                        headOf<float>(logSums, index), logSums.stride(2), to, strides);
    }
  });
  return {results[0], results[1], results[2]};
}

const bool installed = replacing(ctorch_kernel_is_on(CTORCH_KERNEL_ATTENTION), [](torch::Library &library) {
  library.impl("_scaled_dot_product_flash_attention_for_cpu", TORCH_FN(forward));
  library.impl("_scaled_dot_product_flash_attention_for_cpu_backward", TORCH_FN(backward));
});

} // namespace
#endif

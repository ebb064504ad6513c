// Products of matrices in bfloat16 on processors that do not multiply it: blocks become float32 on their way into the
// caches, sums stay in float32, and each is rounded once. libtorch's libraries emulate the processor's operation
// instead, at a fifth of the rate. A row has the same bits in any batch and with any number of threads.

#include "bfloat16_product.h"

#if defined(__x86_64__)
#include "matrix_tiles.h"
#include "parallel.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <memory>

VECTORS_BEGIN

namespace {

using at::BFloat16;
typedef MatrixOf<BFloat16> Wide;

// A block of rows and columns whose sums, and what they are made of, stay in the second cache.
constexpr int64_t blockRows = 384, blockColumns = 6 * widestStrip;

struct Space {
  alignas(64) float sums[blockRows * blockColumns];
  alignas(64) float left[blockRows * deepest];
  alignas(64) float right[deepest * widestStrip];
};

INLINE __mmask16 firstLanes(int64_t count) {
  return count >= lanes ? static_cast<__mmask16>(-1) : static_cast<__mmask16>((1u << std::max<int64_t>(count, 0)) - 1);
}

// Up to 16 numbers; zeros behind them.
INLINE Vector readSome(const BFloat16 *from, int64_t count) {
  return (Vector)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(firstLanes(count), from)), 16);
}

// Rows of `count` numbers that are side by side, each filled up with zeros to a multiple of 16.
INLINE void widen(const BFloat16 *from, int64_t fromRow, int64_t rows, int64_t count, float *to, int64_t toRow) {
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t i = 0; i < count; i += lanes) write(to + row * toRow + i, readSome(from + row * fromRow + i, count - i));
}

// The first matrix, in the order in which it is.
Matrix widenLeft(Wide a, int64_t rows, int64_t depth, float *to) {
  if (a.column == 1) {
    widen(a.first, a.row, rows, depth, to, deepest);
    return {to, deepest, 1};
  }
  widen(a.first, a.column, depth, rows, to, blockRows);
  return {to, 1, blockRows};
}

// A strip of the second matrix, its columns side by side; `width` is that with zeros.
void widenRight(Wide b, int64_t depth, int64_t columns, float *to, int64_t width) {
  if (b.column == 1) return widen(b.first, b.row, depth, columns, to, width);
  for (int64_t j = 0; j < columns; j += lanes)
    for (int64_t k = 0; k < depth; k += lanes) {
      alignas(64) float rows[lanes * lanes] = {};
      widen(b.first + j * b.column + k, b.column, std::min(lanes, columns - j), std::min(lanes, depth - k), rows, lanes);
      transpose(rows, lanes, to + k * width + j, width);
    }
}

// `out = start + a b` for one block; without `start`, `a b`.
void multiply(Wide a, Wide b, int64_t rows, int64_t depth, int64_t columns, Wide start, BFloat16 *out, int64_t outRow,
              Space &space) {
  for (int64_t k = 0; k < depth; k += deepest) {
    const int64_t part = std::min(deepest, depth - k);
    const Matrix left = widenLeft({a.first + k * a.column, a.row, a.column}, rows, part, space.left);
    for (int64_t j = 0; j < columns; j += widestStrip) {
      const int64_t some = std::min(widestStrip, columns - j), width = (some + lanes - 1) / lanes * lanes;
      widenRight({b.first + k * b.row + j * b.column, b.row, b.column}, part, some, space.right, width);
      strip(width, rows, left, space.right, width, part, k ? space.sums + j : nullptr, blockColumns, space.sums + j,
            blockColumns);
    }
  }
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t j = 0; j < columns; j += lanes) {
      Vector sum = read(space.sums + row * blockColumns + j);
      if (start.first) sum = _mm512_add_ps(sum, readSome(start.first + row * start.row + j, columns - j));
      alignas(32) BFloat16 rounded[lanes];
      write(rounded, sum);
      _mm256_mask_storeu_epi16(out + row * outRow + j, firstLanes(columns - j), *(const __m256i *)rounded);
    }
}

} // namespace

VECTORS_END

namespace {

bool isReadable(const at::Tensor &x) {
  return x.scalar_type() == at::kBFloat16 && x.dim() == 2 && (x.stride(0) == 1 || x.stride(1) == 1);
}

Wide wide(const at::Tensor &x) { return {static_cast<const BFloat16 *>(x.const_data_ptr()), x.stride(0), x.stride(1)}; }

} // namespace

bool multipliesWidened(const at::Tensor &start, const at::Tensor &a, const at::Tensor &b) {
  if (!isReadable(a) || !isReadable(b) || a.size(1) != b.size(0) || a.size(1) == 0) return false;
  if (!start.defined()) return true;
  const bool isRow = start.dim() == 1, isMatrix = start.dim() == 2 && start.size(0) == a.size(0);
  return start.scalar_type() == at::kBFloat16 && (isRow || isMatrix) && start.size(-1) == b.size(1) &&
         (start.stride(-1) == 1 || start.size(-1) == 1);
}

void multiplyWidened(const at::Tensor &start, const at::Tensor &a, const at::Tensor &b, const at::Tensor &out) {
  const int64_t rows = a.size(0), depth = a.size(1), columns = b.size(1);
  const Wide left = wide(a), right = wide(b);
  const Wide first = start.defined() ? Wide{static_cast<const BFloat16 *>(start.const_data_ptr()),
                                            start.dim() == 2 ? start.stride(0) : 0, 1}
                                     : Wide{nullptr, 0, 1};
  BFloat16 *to = static_cast<BFloat16 *>(out.mutable_data_ptr());
  const int64_t outRow = out.stride(0);
  // Blocks of rows of equal height.
  const int64_t count = (rows + blockRows - 1) / blockRows;
  const int64_t height = count ? (rows + count * rowsAtOnce - 1) / (count * rowsAtOnce) * rowsAtOnce : 0;
  const int64_t across = (columns + blockColumns - 1) / blockColumns;
  // A thread is worth 2 MFLOP.
  const int64_t grain = std::max<int64_t>(1, (1 << 20) / (std::min(blockRows, rows + 1) * depth * blockColumns));
  inParallel(count * across, grain, [&](int64_t begin, int64_t end) {
    thread_local const std::unique_ptr<Space> space(new Space);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t row = task / across * height, column = task % across * blockColumns;
      if (row >= rows) continue;
      multiply({left.first + row * left.row, left.row, left.column},
               {right.first + column * right.column, right.row, right.column}, std::min(height, rows - row), depth,
               std::min(blockColumns, columns - column),
               {first.first ? first.first + row * first.row + column : nullptr, first.row, 1},
               to + row * outRow + column, outRow, *space);
    }
  });
}
#endif

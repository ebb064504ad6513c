// Products of small matrices in float32, in place of libtorch's, whose library reaches half to three quarters
// of the processor's rate at a width of 96. Both layouts of a layer's weight are taken, so that a linear layer and
// its two derivatives come here. A row's sums are formed in the same order in any batch and with any number of
// threads. Larger matrices, other types and other processors go back to libtorch's.

#include "matrix_product.h"
#include "vectors.h"

#if defined(__x86_64__)
#include <ATen/ATen.h>
#include <ATen/CPUFunctions.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

VECTORS_BEGIN

namespace {

// A matrix as an address and the distances to the next row and to the next column.
struct Matrix {
  const float *first;
  int64_t row, column;
};

// `c = start + a b` for R rows and V vectors of columns; `b` has columns side by side. Without `start`, zeros.
template <int R, int V>
INLINE void tile(Matrix a, const float *b, int64_t bRow, int64_t depth, const float *start, int64_t startRow, float *c,
                 int64_t cRow) {
  Vector sums[R][V];
  for (int v = 0; v < V; ++v)
    for (int r = 0; r < R; ++r)
      sums[r][v] = start ? read(start + r * startRow + v * lanes) : _mm512_setzero_ps();
  for (int64_t k = 0; k < depth; ++k, a.first += a.column, b += bRow) {
    Vector right[V];
    for (int v = 0; v < V; ++v) right[v] = read(b + v * lanes);
    for (int r = 0; r < R; ++r) {
      const Vector left = _mm512_set1_ps(a.first[r * a.row]);
      for (int v = 0; v < V; ++v) sums[r][v] = _mm512_fmadd_ps(left, right[v], sums[r][v]);
    }
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) write(c + r * cRow + v * lanes, sums[r][v]);
}

constexpr int64_t rowsAtOnce = 8;

// The same for any number of rows.
template <int V>
void strip(int64_t rows, Matrix a, const float *b, int64_t bRow, int64_t depth, const float *start, int64_t startRow,
           float *c, int64_t cRow) {
  for (; rows >= rowsAtOnce; rows -= rowsAtOnce) {
    tile<rowsAtOnce, V>(a, b, bRow, depth, start, startRow, c, cRow);
    a.first += rowsAtOnce * a.row;
    c += rowsAtOnce * cRow;
    if (start) start += rowsAtOnce * startRow;
  }
  switch (rows) {
  case 7: return tile<7, V>(a, b, bRow, depth, start, startRow, c, cRow);
  case 6: return tile<6, V>(a, b, bRow, depth, start, startRow, c, cRow);
  case 5: return tile<5, V>(a, b, bRow, depth, start, startRow, c, cRow);
  case 4: return tile<4, V>(a, b, bRow, depth, start, startRow, c, cRow);
  case 3: return tile<3, V>(a, b, bRow, depth, start, startRow, c, cRow);
  case 2: return tile<2, V>(a, b, bRow, depth, start, startRow, c, cRow);
  case 1: return tile<1, V>(a, b, bRow, depth, start, startRow, c, cRow);
  }
}

// `to[j][i] = from[i][j]` for 16 rows and columns.
INLINE void transpose(const float *from, int64_t fromRow, float *to, int64_t toRow) {
  Vector a[16], b[16];
  for (int i = 0; i < 16; ++i) a[i] = read(from + i * fromRow);
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
  }
  for (int i = 0; i < 16; i += 4)
    for (int j = 0; j < 2; ++j) {
      a[i + 2 * j] = (Vector)_mm512_unpacklo_pd((__m512d)b[i + j], (__m512d)b[i + j + 2]);
      a[i + 2 * j + 1] = (Vector)_mm512_unpackhi_pd((__m512d)b[i + j], (__m512d)b[i + j + 2]);
    }
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 16; j += 8) {
      b[i + j] = _mm512_shuffle_f32x4(a[i + j], a[i + j + 4], 0x88);
      b[i + j + 4] = _mm512_shuffle_f32x4(a[i + j], a[i + j + 4], 0xdd);
    }
  for (int i = 0; i < 8; ++i) {
    write(to + i * toRow, _mm512_shuffle_f32x4(b[i], b[i + 8], 0x88));
    write(to + (i + 8) * toRow, _mm512_shuffle_f32x4(b[i], b[i + 8], 0xdd));
  }
}

constexpr int64_t vectorsAtOnce = 3, deepest = 96;

// Some rows, and one strip of columns, of `c = start + a b`. What is read of `b` at once stays in the nearest cache.
void panel(int64_t rows, Matrix a, Matrix b, int64_t width, int64_t depth, const float *start, int64_t startRow,
           float *c, int64_t cRow) {
  float packed[deepest * vectorsAtOnce * lanes];
  for (int64_t k = 0; k < depth; k += deepest) {
    const int64_t part = std::min(deepest, depth - k);
    const float *right = b.first + k * b.row;
    int64_t rightRow = b.row;
    if (b.column != 1) {
      for (int64_t j = 0; j < width; j += lanes)
        for (int64_t i = 0; i < part; i += lanes)
          transpose(b.first + j * b.column + k + i, b.column, packed + i * width + j, width);
      right = packed;
      rightRow = width;
    }
    const Matrix left{a.first + k * a.column, a.row, a.column};
    switch (width / lanes) {
    case 3: strip<3>(rows, left, right, rightRow, part, start, startRow, c, cRow); break;
    case 2: strip<2>(rows, left, right, rightRow, part, start, startRow, c, cRow); break;
    default: strip<1>(rows, left, right, rightRow, part, start, startRow, c, cRow);
    }
    start = c;
    startRow = cRow;
  }
}

constexpr int64_t widest = vectorsAtOnce * lanes;

} // namespace

void packWeight(const float *weight, int64_t outputs, int64_t inputs, float *to) {
  for (int64_t column = 0; column < outputs; column += widest) {
    const int64_t width = std::min(widest, outputs - column);
    for (int64_t j = 0; j < width; j += lanes)
      for (int64_t i = 0; i < inputs; i += lanes)
        transpose(weight + (column + j) * inputs + i, inputs, to + column * inputs + i * width + j, width);
  }
}

void packedLinear(const PackedLayer &layer, const float *x, int64_t rows, float *out) {
  for (int64_t column = 0; column < layer.outputs; column += widest) {
    const int64_t width = std::min(widest, layer.outputs - column);
    panel(rows, {x, layer.inputs, 1}, {layer.weight + column * layer.inputs, width, 1}, width, layer.inputs,
          layer.bias ? layer.bias + column : nullptr, 0, out + column, layer.outputs);
  }
}

VECTORS_END

namespace {

Matrix matrix(const at::Tensor &x) { return {static_cast<const float *>(x.const_data_ptr()), x.stride(0), x.stride(1)}; }

bool applies(const at::Tensor &a, const at::Tensor &b) {
  if (!hasVectors() || a.scalar_type() != at::kFloat || b.scalar_type() != at::kFloat || a.dim() != 2 ||
      b.dim() != 2 || a.size(1) != b.size(0) || a.is_conj() || a.is_neg() || b.is_conj() || b.is_neg())
    return false;
  int64_t sizes[] = {a.size(0), a.size(1), b.size(1)};
  const int64_t depth = sizes[1], columns = sizes[2];
  std::sort(sizes, sizes + 3);
  // A layer's weight, or the gradient of one, that the second cache holds.
  const bool isSmall = sizes[0] > 0 && sizes[0] * sizes[1] <= 1 << 18 && depth * columns <= 1 << 20;
  const bool isRowMajor = b.stride(1) == 1;
  return isSmall && columns % lanes == 0 && (isRowMajor || (b.stride(0) == 1 && depth % lanes == 0));
}

// `start` is a row for all, a matrix, or undefined for zeros.
at::Tensor product(const at::Tensor &start, const at::Tensor &a, const at::Tensor &b) {
  const int64_t rows = a.size(0), depth = a.size(1), columns = b.size(1);
  const at::Tensor c = at::empty({rows, columns}, a.options());
  const Matrix left = matrix(a), right = matrix(b);
  const float *begin = start.defined() ? static_cast<const float *>(start.const_data_ptr()) : nullptr;
  const int64_t beginRow = start.defined() && start.dim() == 2 ? start.stride(0) : 0;
  float *out = static_cast<float *>(c.mutable_data_ptr());
  const int64_t strips = (columns + widest - 1) / widest;
  // Strips of columns first, then as many parts of the rows as threads are left for; a thread is worth 2 MFLOP.
  const int64_t threads = std::clamp<int64_t>(2 * rows * depth * columns >> 21, 1, at::get_num_threads());
  const int64_t parts = std::clamp<int64_t>((threads + strips - 1) / strips, 1, (rows + 63) / 64);
  const int64_t height = (rows + parts * rowsAtOnce - 1) / (parts * rowsAtOnce) * rowsAtOnce;
  const auto compute = [&](int64_t first, int64_t last) {
    for (int64_t task = first; task < last; ++task) {
      const int64_t column = task / parts * widest, row = task % parts * height;
      if (row >= rows) continue;
      panel(std::min(height, rows - row), {left.first + row * left.row, left.row, left.column},
            {right.first + column * right.column, right.row, right.column}, std::min(widest, columns - column), depth,
            begin ? begin + row * beginRow + column : nullptr, beginRow, out + row * columns + column, columns);
    }
  };
  if (threads == 1)
    compute(0, strips * parts);
  else
    at::parallel_for(0, strips * parts, (strips * parts + threads - 1) / threads, compute);
  return c;
}

at::Tensor mm(const at::Tensor &a, const at::Tensor &b) {
  return applies(a, b) ? product({}, a, b) : at::cpu::mm(a, b);
}

at::Tensor addmm(const at::Tensor &start, const at::Tensor &a, const at::Tensor &b, const at::Scalar &beta,
                 const at::Scalar &alpha) {
  const auto isRow = [&] { return start.dim() == 1 && start.size(0) == b.size(1) && start.stride(0) == 1; };
  const auto isMatrix = [&] {
    return start.dim() == 2 && start.size(0) == a.size(0) && start.size(1) == b.size(1) && start.stride(1) == 1;
  };
  const bool isSum = beta.equal(1) && alpha.equal(1) && start.scalar_type() == at::kFloat;
  return isSum && applies(a, b) && (isRow() || isMatrix()) ? product(start, a, b)
                                                           : at::cpu::addmm(start, a, b, beta, alpha);
}

const bool installed = replacing([](torch::Library &library) {
  library.impl("mm", TORCH_FN(mm));
  library.impl("addmm", TORCH_FN(addmm));
});

} // namespace
#endif

// Products of small matrices in float32, in place of libtorch's, whose library reaches half to three quarters
// of the processor's rate at a width of 96. Both layouts of a layer's weight are taken, so that a linear layer and
// its two derivatives come here. A row's sums are formed in the same order in any batch and with any number of
// threads. Larger matrices, other types and other processors go back to libtorch's, but for bfloat16 where the processor
// does not multiply it.

#include "bfloat16_product.h"
#include "kernel_switch.h"
#include "matrix_product.h"
#include "matrix_tiles.h"
#include "parallel.h"

#if defined(__x86_64__)
#include <ATen/ATen.h>
#include <ATen/CPUFunctions.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

VECTORS_BEGIN

namespace {

// Some rows, and one strip of columns, of `c = start + a b`. What is read of `b` at once stays in the nearest cache.
void panel(int64_t rows, Matrix a, Matrix b, int64_t width, int64_t depth, const float *start, int64_t startRow,
           float *c, int64_t cRow) {
  alignas(64) float packed[deepest * widestStrip];
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
    strip(width, rows, left, right, rightRow, part, start, startRow, c, cRow);
    start = c;
    startRow = cRow;
  }
}

} // namespace

void packWeight(const float *weight, int64_t outputs, int64_t inputs, float *to) {
  for (int64_t column = 0; column < outputs; column += widestStrip) {
    const int64_t width = std::min(widestStrip, outputs - column);
    for (int64_t j = 0; j < width; j += lanes)
      for (int64_t i = 0; i < inputs; i += lanes)
        transpose(weight + (column + j) * inputs + i, inputs, to + column * inputs + i * width + j, width);
  }
}

void packedLinear(const PackedLayer &layer, const float *x, int64_t rows, float *out) {
  for (int64_t column = 0; column < layer.outputs; column += widestStrip) {
    const int64_t width = std::min(widestStrip, layer.outputs - column);
    panel(rows, {x, layer.inputs, 1}, {layer.weight + column * layer.inputs, width, 1}, width, layer.inputs,
          layer.bias ? layer.bias + column : nullptr, 0, out + column, layer.outputs);
  }
}

void multiply(int64_t rows, int64_t depth, int64_t columns, const float *a, int64_t aRow, int64_t aColumn,
              const float *b, int64_t bRow, bool adds, float *c, int64_t cRow) {
  for (int64_t column = 0; column < columns; column += widestStrip)
    panel(rows, {a, aRow, aColumn}, {b + column, bRow, 1}, std::min(widestStrip, columns - column), depth,
          adds ? c + column : nullptr, cRow, c + column, cRow);
}

VECTORS_END

namespace {

Matrix matrix(const at::Tensor &x) { return {static_cast<const float *>(x.const_data_ptr()), x.stride(0), x.stride(1)}; }

bool isSmall(const at::Tensor &start, const at::Tensor &a, const at::Tensor &b) {
  if (a.scalar_type() != at::kFloat || b.scalar_type() != at::kFloat || a.dim() != 2 ||
      b.dim() != 2 || a.size(1) != b.size(0) || a.is_conj() || a.is_neg() || b.is_conj() || b.is_neg())
    return false;
  int64_t sizes[] = {a.size(0), a.size(1), b.size(1)};
  const int64_t depth = sizes[1], columns = sizes[2];
  std::sort(sizes, sizes + 3);
  // A layer's weight, or the gradient of one, that the second cache holds.
  const bool fits = sizes[0] > 0 && sizes[0] * sizes[1] <= 1 << 18 && depth * columns <= 1 << 20;
  const bool isRowMajor = b.stride(1) == 1;
  if (!fits || columns % lanes != 0 || !(isRowMajor || (b.stride(0) == 1 && depth % lanes == 0))) return false;
  if (!start.defined()) return true;
  const bool isRow = start.dim() == 1, isMatrix = start.dim() == 2 && start.size(0) == a.size(0);
  return start.scalar_type() == at::kFloat && (isRow || isMatrix) && start.size(-1) == columns && start.stride(-1) == 1;
}

void multiplySmall(const at::Tensor &start, const at::Tensor &a, const at::Tensor &b, const at::Tensor &c) {
  const int64_t rows = a.size(0), depth = a.size(1), columns = b.size(1), outRow = c.stride(0);
  const Matrix left = matrix(a), right = matrix(b);
  const float *begin = start.defined() ? static_cast<const float *>(start.const_data_ptr()) : nullptr;
  const int64_t beginRow = start.defined() && start.dim() == 2 ? start.stride(0) : 0;
  float *out = static_cast<float *>(c.mutable_data_ptr());
  const int64_t strips = (columns + widestStrip - 1) / widestStrip;
  // Strips of columns first, then as many parts of the rows as threads are left for; a thread is worth 2 MFLOP.
  const int64_t threads = std::clamp<int64_t>(2 * rows * depth * columns >> 21, 1, at::get_num_threads());
  const int64_t parts = std::clamp<int64_t>((threads + strips - 1) / strips, 1, (rows + 63) / 64);
  const int64_t height = (rows + parts * rowsAtOnce - 1) / (parts * rowsAtOnce) * rowsAtOnce;
  const auto compute = [&](int64_t first, int64_t last) {
    for (int64_t task = first; task < last; ++task) {
      const int64_t column = task / parts * widestStrip, row = task % parts * height;
      if (row >= rows) continue;
      panel(std::min(height, rows - row), {left.first + row * left.row, left.row, left.column},
            {right.first + column * right.column, right.row, right.column}, std::min(widestStrip, columns - column), depth,
            begin ? begin + row * beginRow + column : nullptr, beginRow, out + row * outRow + column, outRow);
    }
  };
  inParallel(strips * parts, (strips * parts + threads - 1) / threads, compute);
}

// Fills a matrix whose rows are contiguous with `start + a b`. `start` is a row for all, a matrix, which may be the one
// that is filled, or undefined for zeros.
typedef void (*Kernel)(const at::Tensor &start, const at::Tensor &a, const at::Tensor &b, const at::Tensor &out);

// Null for libtorch's.
Kernel kernelFor(const at::Tensor &start, const at::Tensor &a, const at::Tensor &b) {
  if (ctorch_kernel_is_on(CTORCH_KERNEL_MATRIX_PRODUCT) && isSmall(start, a, b)) return multiplySmall;
  if (ctorch_kernel_is_on(CTORCH_KERNEL_BFLOAT16_PRODUCT) && multipliesWidened(start, a, b)) return multiplyWidened;
  return nullptr;
}

at::Tensor mm(const at::Tensor &a, const at::Tensor &b) {
  const Kernel kernel = kernelFor({}, a, b);
  if (!kernel) return at::cpu::mm(a, b);
  const at::Tensor out = at::empty({a.size(0), b.size(1)}, a.options());
  kernel({}, a, b, out);
  return out;
}

at::Tensor addmm(const at::Tensor &start, const at::Tensor &a, const at::Tensor &b, const at::Scalar &beta,
                 const at::Scalar &alpha) {
  const Kernel kernel = beta.equal(1) && alpha.equal(1) ? kernelFor(start, a, b) : nullptr;
  if (!kernel) return at::cpu::addmm(start, a, b, beta, alpha);
  const at::Tensor out = at::empty({a.size(0), b.size(1)}, a.options());
  kernel(start, a, b, out);
  return out;
}

at::Tensor &addmmInPlace(at::Tensor &start, const at::Tensor &a, const at::Tensor &b, const at::Scalar &beta,
                         const at::Scalar &alpha) {
  const bool isSum = start.dim() == 2 && beta.equal(1) && alpha.equal(1);
  const Kernel kernel = isSum ? kernelFor(start, a, b) : nullptr;
  if (!kernel) return at::cpu::addmm_(start, a, b, beta, alpha);
  kernel(start, a, b, start);
  return start;
}

const bool isOn =
    ctorch_kernel_is_on(CTORCH_KERNEL_MATRIX_PRODUCT) || ctorch_kernel_is_on(CTORCH_KERNEL_BFLOAT16_PRODUCT);
const bool installed = replacing(isOn, [](torch::Library &library) {
  library.impl("mm", TORCH_FN(mm));
  library.impl("addmm", TORCH_FN(addmm));
  library.impl("addmm_", TORCH_FN(addmmInPlace));
});

} // namespace
#endif

// Products of small parts of matrices in float32, of which larger products are made.
#pragma once

#include "vectors.h"

#if defined(__x86_64__)
VECTORS_BEGIN

// A matrix as an address and the distances to the next row and to the next column.
template <typename T> struct MatrixOf {
  const T *first;
  int64_t row, column;
};
typedef MatrixOf<float> Matrix;

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
static void strip(int64_t rows, Matrix a, const float *b, int64_t bRow, int64_t depth, const float *start, int64_t startRow,
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

// `to[j][i] = from[i][j]` for up to 16 rows and 16 columns.
INLINE void transpose(const float *from, int64_t fromRow, float *to, int64_t toRow, int64_t rows = 16) {
  Vector a[16], b[16];
  for (int i = 0; i < 16; ++i) a[i] = i < rows ? read(from + i * fromRow) : _mm512_setzero_ps();
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
  const __mmask16 mask = static_cast<__mmask16>((1u << rows) - 1);
  for (int i = 0; i < 8; ++i) {
    _mm512_mask_storeu_ps(to + i * toRow, mask, _mm512_shuffle_f32x4(b[i], b[i + 8], 0x88));
    _mm512_mask_storeu_ps(to + (i + 8) * toRow, mask, _mm512_shuffle_f32x4(b[i], b[i + 8], 0xdd));
  }
}

// The same for any number of rows, one after the other, and a multiple of 16 columns.
static inline void transposeRows(const float *from, int64_t rows, int64_t width, float *to, int64_t toRow) {
  for (int64_t row = 0; row < rows; row += lanes)
    for (int64_t i = 0; i < width; i += lanes)
      transpose(from + row * width + i, width, to + i * toRow + row, toRow, rows - row < lanes ? rows - row : lanes);
}

// A strip of one to three vectors of columns.
static void strip(int64_t width, int64_t rows, Matrix a, const float *b, int64_t bRow, int64_t depth,
                  const float *start, int64_t startRow, float *c, int64_t cRow) {
  switch (width / lanes) {
  case 3: return strip<3>(rows, a, b, bRow, depth, start, startRow, c, cRow);
  case 2: return strip<2>(rows, a, b, bRow, depth, start, startRow, c, cRow);
  default: return strip<1>(rows, a, b, bRow, depth, start, startRow, c, cRow);
  }
}

// Columns and depth of what is read of the second matrix at once, which stays in the nearest cache.
constexpr int64_t widestStrip = 3 * lanes, deepest = 96;

VECTORS_END
#endif

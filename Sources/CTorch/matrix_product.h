// Linear layers and products in float32 for other kernels, on the calling thread alone; they need the processor's vectors
// (`hasVectors`), and sizes of weights and numbers of
// columns that are multiples of 16.
#pragma once

#include <cstdint>

// A layer whose weight `packWeight` has put in the order in which it is read.
struct PackedLayer {
  const float *weight;
  const float *bias; // null without
  int64_t inputs, outputs;
};

// `weight` is `[outputs, inputs]`; `to` has as many numbers.
void packWeight(const float *weight, int64_t outputs, int64_t inputs, float *to);

// `[rows, inputs] -> [rows, outputs]`
void packedLinear(const PackedLayer &layer, const float *x, int64_t rows, float *out);

// `c = a b` or, where it adds, `c += a b`: `[rows, depth] [depth, columns]`. An element of `a` is at
// `row aRow + column aColumn`; rows of `b` and `c` are contiguous.
void multiply(int64_t rows, int64_t depth, int64_t columns, const float *a, int64_t aRow, int64_t aColumn,
              const float *b, int64_t bRow, bool adds, float *c, int64_t cRow);

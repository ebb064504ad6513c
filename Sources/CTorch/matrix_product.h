// Linear layers in float32 for other kernels, on the calling thread alone; they need the processor's vectors
// (`hasVectors`), and sizes that are multiples of 16.
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

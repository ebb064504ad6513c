// Steps of a transformer's block in float32, without gradients, on the calling thread alone. Last dimensions are
// contiguous and multiples of 16. D: width of the model.
#pragma once

#include <cstdint>
#include <vector>

// `out = shift + layer_norm(x) (1 + scale)`: x and out `[batch, tokens, D]`, shift and scale `[batch, D]` with a
// distance of `stride` between rows.
void applyNorm(const float *x, const float *shift, const float *scale, float *out, int64_t batch, int64_t tokens,
               int64_t width, int64_t stride, float epsilon);

// `out = x + gate update`, shaped alike; `out` may be `x` or `update`.
void applyGate(const float *x, const float *gates, const float *update, float *out, int64_t batch, int64_t tokens,
               int64_t width, int64_t stride);

// One head's queries, keys or values of one stream.
struct Rows {
  const float *first;
  int64_t count;
  int64_t stride;      // from one token to the next
  const float *weight; // of the root-mean-square norm; null without
};

// Memory of one head, kept for the next.
struct Head {
  int64_t width, keys, padded;
  std::vector<float> bias, keysTransposed, values, queries, logits, attended;

  // `bias` is added to the logits, one number a key, the first stream's first; null adds nothing.
  Head(int64_t width, int64_t keys, const float *bias);
};

// Attention of two streams over both, queries and keys divided by their root mean square; `out` has the strides
// of the queries.
void applyAttention(Head &head, const Rows *queries, const Rows *keys, const Rows *values, float epsilon,
                    float *const *out);

// Attention of one head over the tokens of two streams, with the root-mean-square norm of queries and keys, and its
// gradient; in float32 on the calling thread. Names as in FlashAttention: s logits, m row maxima, p = exp(s - m) or
// probabilities, l row sums of exp(s - m), o output; the prefix d marks a gradient.
#pragma once

#include "simd.h"

#if defined(__x86_64__)
#include <vector>

namespace tempflow::cpu::SIMD {

// One head's queries, keys or values of one stream.
struct HeadRows {
  const float *data;
  int64_t count;
  int64_t stride;          // from one token to the next
  const float *normWeight; // [d]; null without the norm
};

// The queries, keys and values of both streams; a stream without queries has a count of 0.
struct HeadInput {
  HeadRows q[2], k[2], v[2];
  float epsilon;
};

// Buffers of one head's forward pass, reused for every head.
struct AttentionBuffers {
  int64_t width, keys, padded;
  std::vector<float> bias, keysTransposed, values, queries, logits, output;

  // `bias` has one element per key, those of the first stream first, and is added to the logits; it may be null.
  AttentionBuffers(int64_t width, int64_t keys, const float *bias);
};

// `out` has the strides of the queries.
void attention(AttentionBuffers &buffers, const HeadInput &input, float *const *out);

// Buffers of one head's backward pass; the tokens of the second stream follow those of the first.
struct AttentionBackward {
  int64_t width, keys, padded;
  std::vector<float> memory;
  // `[keys, width]`, and `Transposed` `[width, padded]`
  float *q, *k, *v, *dO, *kTransposed, *vTransposed;
  // `[keys, padded]`
  float *p, *dS;
  // `[keys, width]`
  float *dQ, *dK, *dV;
  // Reciprocals of the root mean squares, and the key bias times log2(e), which is -infinity after the last key.
  float *qFactors, *kFactors, *bias;

  AttentionBackward(int64_t width, int64_t keys, const float *keyBias);

  // Copies `rows` to `to` from token `token` on, divided by their root mean square if they have a norm.
  void gather(const HeadRows &rows, float epsilon, int64_t token, float *to, float *factors) const;

  // Computes dQ, dK and dV from q, k, v and the first `queries` rows of dO.
  void run(int64_t queries);

  // The gradient of the input of `gather`, written to `to`, whose rows have the stride of `rows`; that of the norm's
  // weight is added to `dNormWeight`.
  void scatter(const float *gradient, int64_t token, const HeadRows &rows, const float *factors, float *to,
               float *dNormWeight) const;
};

} // namespace tempflow::cpu::SIMD
#endif

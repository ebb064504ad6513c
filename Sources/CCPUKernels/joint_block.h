// A transformer block whose attention joins two streams of tokens (MMDiT, Esser et al. 2024; diffusers'
// `JointTransformerBlock`), and its gradient. A tile of samples goes through all steps before the next tile, so that
// intermediate values stay in L2, without operators or allocations.
#pragma once

#if defined(__x86_64__)
#include "ada_layer_norm.h"
#include "attention.h"
#include "buffers.h"
#include "gemm.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>

namespace tempflow::cpu::SIMD {

// Tokens of both streams in one tile of samples.
constexpr int64_t tileTokens = 256;
// Rows of the feed-forward layers that are computed at once; their hidden values stay in L2.
constexpr int64_t hiddenRows = 64;

// null for an undefined tensor
inline const float *data(const at::Tensor &tensor) {
  return tensor.defined() ? static_cast<const float *>(tensor.const_data_ptr()) : nullptr;
}
inline float *mutableData(const at::Tensor &tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr<float>() : nullptr;
}

struct LinearWeights {
  at::Tensor weight, bias;

  bool exists() const { return weight.defined(); }
  int64_t outputs() const { return weight.size(0); }
  int64_t inputs() const { return weight.size(1); }
};

template <typename Layer> struct StreamLayers {
  Layer modulation, query, key, value, output, up, down;

  std::array<Layer *, 7> layers() { return {&modulation, &query, &key, &value, &output, &up, &down}; }
  std::array<const Layer *, 7> layers() const { return {&modulation, &query, &key, &value, &output, &up, &down}; }
};

struct Stream : StreamLayers<LinearWeights> {
  at::Tensor queryNorm, keyNorm;

  // The last block's text: its tokens are keys and values only.
  bool isLast() const { return !output.exists(); }
  // Numbers of the modulation of one sample.
  int64_t parts() const { return modulation.outputs(); }
  // Offset of the modulation of attention's input. A last stream has AdaLayerNormContinuous, scale before shift.
  int64_t shift(int64_t width) const { return isLast() ? width : 0; }
  int64_t scale(int64_t width) const { return isLast() ? 0 : width; }
};

// Packed weights of both streams.
struct PackedBlock {
  std::array<StreamLayers<PackedLinear>, 2> streams;
  Buffer weights;

  explicit PackedBlock(const std::array<Stream, 2> &from);
};

// Activations of one stream's tokens, `[tokens, D]` each, but `hidden` `[tokens, 4 D]`.
struct Activations {
  float *normed, *q, *k, *v, *attended, *projected, *residual, *secondNormed, *hidden, *update;
};

// `[batch, tokens, D]` of each stream; `conditioning` `[batch, D]`; `keyBias` `[tokens of both]` or null.
struct BlockInput {
  int64_t batch, tokens[2];
  const float *x[2], *conditioning, *keyBias;
  float epsilon;

  int64_t allTokens() const { return tokens[0] + tokens[1]; }
  // Samples of one tile.
  int64_t tile() const { return std::clamp<int64_t>(tileTokens / allTokens(), 1, batch); }
};

// Samples that go through the block together: addresses of the first sample's rows.
struct Tile {
  int64_t count;
  const float *x[2], *modulation[2];
  Activations activations[2];
  float *out[2]; // null for a last stream
};

// Retained by networks and by autograd's records.
struct JointBlock : torch::CustomClassHolder {
  std::array<Stream, 2> streams;
  int64_t heads = 0, width = 0;

  // The weights of the current row scope. The caller retains them, because a thread in another scope may pack others
  // meanwhile.
  std::shared_ptr<const PackedBlock> packed();

  // Elements of the modulations of both streams for `batch` samples.
  int64_t modulationCount(int64_t batch) const { return batch * (streams[0].parts() + streams[1].parts()); }
  // Elements of the hidden values of `rows` tokens.
  int64_t hiddenCount(int64_t rows) const;
  // Elements of activations per token that the backward pass needs.
  int64_t savedPerToken(int s) const;
  // The activations of the tokens from `first` on in `memory`, which holds those of `tokens` tokens of a stream.
  Activations saved(int s, float *memory, int64_t tokens, int64_t first) const;

  // Without gradients; `out` is null for a last stream.
  void forward(const BlockInput &input, float *const *out);
  // Fills `modulation` of both streams, `[batch, parts]`.
  void modulate(const PackedBlock &packed, const BlockInput &input, float *const *modulation) const;
  // Evaluates the block on one tile. `hidden` has room for `hiddenRows` rows; with `savesHidden` the activations keep
  // the hidden values of all rows.
  void evaluate(const PackedBlock &packed, const BlockInput &input, const Tile &tile, AttentionBuffers &head,
                float *hidden, bool savesHidden) const;

private:
  TokenShape shape(int s, const BlockInput &input, const Tile &tile) const {
    return {tile.count, input.tokens[s], width, streams[s].parts()};
  }
  void project(const PackedBlock &packed, const BlockInput &input, const Tile &tile) const;
  void attend(const BlockInput &input, const Tile &tile, AttentionBuffers &head) const;
  void feedForward(int s, const PackedBlock &packed, const BlockInput &input, const Tile &tile, float *hidden,
                   bool savesHidden) const;

  // Guards the members below.
  std::mutex mutex;
  std::shared_ptr<const PackedBlock> latest;
  // The row scope in which `latest` was packed.
  int64_t scope = -1;
};

// Gradients of one stream's weights, initially zero; undefined for undefined weights.
struct StreamGradients : StreamLayers<LinearWeights> {
  at::Tensor queryNorm, keyNorm;

  explicit StreamGradients(const Stream &stream);
};

// The saved values of the forward pass, and the destinations of gradients.
struct BackwardProblem {
  BlockInput input;
  const float *modulation[2];
  float *saved[2];
  const float *dOut[2]; // null for a last stream
  float *dX[2], *dConditioning;
};

// Writes the gradients of the inputs and adds those of the weights to `to`.
void backward(const JointBlock &block, const BackwardProblem &problem, std::array<StreamGradients, 2> &to);

// The block's outputs, recorded by autograd; the second is undefined for a last stream.
std::array<at::Tensor, 2> record(JointBlock *block, const std::array<at::Tensor, 3> &inputs, const at::Tensor &keyBias,
                                 double epsilon);

} // namespace tempflow::cpu::SIMD
#endif

#include "joint_block.h"

#if defined(__x86_64__)
#include "row_scope.h"
#include "gelu.h"

#include <ATen/ATen.h>

namespace tempflow::cpu::SIMD {

PackedBlock::PackedBlock(const std::array<Stream, 2> &from) {
  int64_t count = 0;
  for (const Stream &stream : from)
    for (const LinearWeights *layer : stream.layers()) count += layer->exists() ? layer->weight.numel() : 0;
  weights = allocate(count);
  float *next = weights.get();
  for (int s = 0; s < 2; ++s)
    for (int i = 0; i < 7; ++i) {
      const LinearWeights &layer = *from[s].layers()[i];
      PackedLinear &to = *streams[s].layers()[i];
      to = {};
      if (!layer.exists()) continue;
      to = {next, data(layer.bias), layer.inputs(), layer.outputs()};
      packWeight(data(layer.weight), layer.outputs(), layer.inputs(), next);
      next += layer.weight.numel();
    }
}

std::shared_ptr<const PackedBlock> JointBlock::packed() {
  std::unique_lock lock(mutex);
  // Read once, because a concurrent scope may have other weights.
  const int64_t current = rowScope();
  if (scope != current) {
    // Freed before packing, unless another thread still reads it.
    latest.reset();
    latest = std::make_shared<const PackedBlock>(streams);
    scope = current;
  }
  return latest;
}

int64_t JointBlock::hiddenCount(int64_t rows) const {
  int64_t count = 0;
  for (const Stream &stream : streams)
    if (!stream.isLast()) count = std::max(count, rows * stream.up.outputs());
  return count;
}

void JointBlock::modulate(const PackedBlock &packed, const BlockInput &input, float *const *modulation) const {
  for (int s = 0; s < 2; ++s)
    linear(packed.streams[s].modulation, input.conditioning, input.batch, modulation[s]);
}

void JointBlock::project(const PackedBlock &packed, const BlockInput &input, const Tile &tile) const {
  for (int s = 0; s < 2; ++s) {
    const Stream &stream = streams[s];
    const auto &layers = packed.streams[s];
    const Activations &a = tile.activations[s];
    const int64_t rows = tile.count * input.tokens[s];
    const float *part = tile.modulation[s];
    adaLayerNorm(tile.x[s], part + stream.shift(width), part + stream.scale(width), a.normed, shape(s, input, tile),
                 input.epsilon);
    if (!stream.isLast()) linear(layers.query, a.normed, rows, a.q);
    linear(layers.key, a.normed, rows, a.k);
    linear(layers.value, a.normed, rows, a.v);
  }
}

void JointBlock::attend(const BlockInput &input, const Tile &tile, AttentionBuffers &head) const {
  for (int64_t sample = 0; sample < tile.count; ++sample)
    for (int64_t index = 0; index < heads; ++index) {
      HeadInput rows{.epsilon = input.epsilon};
      float *to[2];
      for (int s = 0; s < 2; ++s) {
        const Stream &stream = streams[s];
        const Activations &a = tile.activations[s];
        const int64_t tokens = input.tokens[s], at = sample * tokens * width + index * head.width;
        rows.q[s] = {a.q + at, stream.isLast() ? 0 : tokens, width, data(stream.queryNorm)};
        rows.k[s] = {a.k + at, tokens, width, data(stream.keyNorm)};
        rows.v[s] = {a.v + at, tokens, width, nullptr};
        to[s] = a.attended + at;
      }
      attention(head, rows, to);
    }
}

void JointBlock::feedForward(int s, const PackedBlock &packed, const BlockInput &input, const Tile &tile,
                             float *hidden, bool savesHidden) const {
  const auto &layers = packed.streams[s];
  const Activations &a = tile.activations[s];
  const TokenShape tokens = shape(s, input, tile);
  const int64_t rows = tile.count * input.tokens[s], wide = streams[s].up.outputs();
  const float *part = tile.modulation[s];
  linear(layers.output, a.attended, rows, a.projected);
  gatedResidual(tile.x[s], part + 2 * width, a.projected, a.residual, tokens);
  adaLayerNorm(a.residual, part + 3 * width, part + 4 * width, a.secondNormed, tokens, input.epsilon);
  for (int64_t row = 0; row < rows; row += hiddenRows) {
    const int64_t count = std::min(hiddenRows, rows - row);
    float *raw = savesHidden ? a.hidden + row * wide : hidden;
    linear(layers.up, a.secondNormed + row * width, count, raw);
    gelu(raw, count * wide, hidden);
    linear(layers.down, hidden, count, a.update + row * width);
  }
  gatedResidual(a.residual, part + 5 * width, a.update, tile.out[s], tokens);
}

void JointBlock::evaluate(const PackedBlock &packed, const BlockInput &input, const Tile &tile, AttentionBuffers &head,
                          float *hidden, bool savesHidden) const {
  project(packed, input, tile);
  attend(input, tile, head);
  for (int s = 0; s < 2; ++s)
    if (!streams[s].isLast()) feedForward(s, packed, input, tile, hidden, savesHidden);
}

void JointBlock::forward(const BlockInput &input, float *const *out) {
  const std::shared_ptr<const PackedBlock> weights = packed();
  const int64_t samples = input.tile(), size = samples * input.allTokens() * width;
  thread_local Scratch scratch;
  float *normed = scratch.reserve(5 * size + hiddenCount(hiddenRows) + modulationCount(input.batch));
  float *q = normed + size, *k = q + size, *v = k + size, *attended = v + size, *hidden = attended + size;
  float *modulation[2] = {hidden + hiddenCount(hiddenRows), nullptr};
  modulation[1] = modulation[0] + input.batch * streams[0].parts();
  modulate(*weights, input, modulation);

  AttentionBuffers head(width / heads, input.allTokens(), input.keyBias);
  for (int64_t first = 0; first < input.batch; first += samples) {
    Tile tile{.count = std::min(samples, input.batch - first)};
    for (int s = 0; s < 2; ++s) {
      // The first row of the stream in the memory of both streams.
      const int64_t begin = s * tile.count * input.tokens[0] * width, at = first * input.tokens[s] * width;
      tile.x[s] = input.x[s] + at;
      tile.modulation[s] = modulation[s] + first * streams[s].parts();
      tile.out[s] = streams[s].isLast() ? nullptr : out[s] + at;
      // Memory is reused: `q` for the projection and the update, `normed` for the second norm, `out` for the residual
      // stream.
      tile.activations[s] = {normed + begin, q + begin,   k + begin,      v + begin, attended + begin,
                             q + begin,      tile.out[s], normed + begin, nullptr,   q + begin};
    }
    evaluate(*weights, input, tile, head, hidden, false);
  }
}

} // namespace tempflow::cpu::SIMD
#endif

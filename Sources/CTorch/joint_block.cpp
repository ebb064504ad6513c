// One block of a transformer over two streams of tokens (MMDiT), evaluated without gradients on the calling thread:
// some samples at a time, so that everything between two steps stays in the nearest caches, without an operator or an
// allocation.

#include "joint_block.h"

#if defined(__x86_64__)
#include "gelu.h"
#include "kernel_switch.h"
#include "workers.h"

#include <ATen/ATen.h>

#include <algorithm>

PackedBlock::PackedBlock(const std::array<Stream, 2> &from) {
  int64_t count = 0;
  for (const Stream &stream : from)
    for (const Layer *layer : stream.layers()) count += layer->exists() ? layer->weight.numel() : 0;
  weights = allocate(count);
  float *next = weights.get();
  for (int s = 0; s < 2; ++s)
    for (int i = 0; i < 7; ++i) {
      const Layer &layer = *from[s].layers()[i];
      PackedLayer &to = *streams[s].layers()[i];
      to = {};
      if (!layer.exists()) continue;
      to = {next, numbers(layer.bias), layer.inputs(), layer.outputs()};
      packWeight(numbers(layer.weight), layer.outputs(), layer.inputs(), next);
      next += layer.weight.numel();
    }
}

std::shared_ptr<const PackedBlock> CTorchJointBlock::packed() {
  std::unique_lock lock(mutex);
  // Read once: a scope that begins meanwhile is not the one of these weights.
  const int64_t current = rowScope();
  if (scope != current) {
    // Freed first, unless another thread still reads it.
    latest.reset();
    latest = std::make_shared<const PackedBlock>(streams);
    scope = current;
  }
  return latest;
}

void CTorchJointBlock::evaluate(const PackedBlock &packed, int64_t count, const int64_t *tokens, const float *const *x,
                                const float *const *modulation, Head &head, float epsilon, const StreamMemory *memory,
                                bool keeps, float *inner, float *const *out) const {
  for (int s = 0; s < 2; ++s) {
    const Stream &stream = streams[s];
    const auto &layers = packed.streams[s];
    const StreamMemory &m = memory[s];
    const int64_t height = count * tokens[s];
    applyNorm(x[s], modulation[s] + stream.shift(width), modulation[s] + stream.scale(width), m.normed, count, tokens[s],
              width, stream.parts(), epsilon);
    if (!stream.isLast()) packedLinear(layers.query, m.normed, height, m.queries);
    packedLinear(layers.key, m.normed, height, m.keys);
    packedLinear(layers.value, m.normed, height, m.values);
  }
  for (int64_t sample = 0; sample < count; ++sample)
    for (int64_t index = 0; index < heads; ++index) {
      Rows rowsOf[3][2];
      float *to[2];
      for (int s = 0; s < 2; ++s) {
        const Stream &stream = streams[s];
        const int64_t at = sample * tokens[s] * width + index * head.width;
        rowsOf[0][s] = {memory[s].queries + at, stream.isLast() ? 0 : tokens[s], width, numbers(stream.queryNorm)};
        rowsOf[1][s] = {memory[s].keys + at, tokens[s], width, numbers(stream.keyNorm)};
        rowsOf[2][s] = {memory[s].values + at, tokens[s], width, nullptr};
        to[s] = memory[s].attended + at;
      }
      applyAttention(head, rowsOf[0], rowsOf[1], rowsOf[2], epsilon, to);
    }
  for (int s = 0; s < 2; ++s) {
    const Stream &stream = streams[s];
    if (stream.isLast()) continue;
    const auto &layers = packed.streams[s];
    const StreamMemory &m = memory[s];
    const float *part = modulation[s];
    const int64_t height = count * tokens[s], parts = stream.parts(), hidden = stream.up.outputs();
    packedLinear(layers.output, m.attended, height, m.projected);
    applyGate(x[s], part + 2 * width, m.projected, m.middle, count, tokens[s], width, parts);
    applyNorm(m.middle, part + 3 * width, part + 4 * width, m.normedAgain, count, tokens[s], width, parts, epsilon);
    for (int64_t row = 0; row < height; row += hiddenRows) {
      const int64_t some = std::min(hiddenRows, height - row);
      float *raw = keeps ? m.hidden + row * hidden : inner;
      packedLinear(layers.up, m.normedAgain + row * width, some, raw);
      applyGELU(raw, some * hidden, inner);
      packedLinear(layers.down, inner, some, m.update + row * width);
    }
    applyGate(m.middle, part + 5 * width, m.update, out[s], count, tokens[s], width, parts);
  }
}

void CTorchJointBlock::run(const float *const *x, const float *conditioning, int64_t batch, const int64_t *tokens,
                           const float *bias, float epsilon, float *const *out) {
  const std::shared_ptr<const PackedBlock> weights = packed();
  const int64_t total = tokens[0] + tokens[1], tile = std::clamp<int64_t>(tileTokens / total, 1, batch);
  const int64_t rows = tile * total * width;
  int64_t modulations = 0, hidden = 0;
  for (const Stream &stream : streams) {
    modulations += batch * stream.parts();
    if (!stream.isLast()) hidden = std::max(hidden, hiddenRows * stream.up.outputs());
  }
  thread_local Scratch ownModulation;
  float *modulation[2] = {ownModulation.reserve(modulations), nullptr};
  modulation[1] = modulation[0] + batch * streams[0].parts();
  for (int s = 0; s < 2; ++s) packedLinear(weights->streams[s].modulation, conditioning, batch, modulation[s]);

  share((batch + tile - 1) / tile, [&](Steps &steps) {
    thread_local Scratch scratch;
    float *normed = scratch.reserve(5 * rows + hidden), *queries = normed + rows, *keys = queries + rows;
    float *values = keys + rows, *attended = values + rows, *inner = attended + rows;
    Head head(width / heads, total, bias);
    for (int64_t step; (step = steps.next()) >= 0;) {
      const int64_t first = step * tile, count = std::min(tile, batch - first);
      const float *input[2], *part[2];
      float *result[2];
      StreamMemory memory[2];
      for (int s = 0; s < 2; ++s) {
        // Where the stream's rows begin in the memory of both.
        const int64_t begin = s * count * tokens[0] * width, at = first * tokens[s] * width;
        input[s] = x[s] + at;
        part[s] = modulation[s] + first * streams[s].parts();
        result[s] = streams[s].isLast() ? nullptr : out[s] + at;
        memory[s] = {normed + begin,  queries + begin, keys + begin,   values + begin, attended + begin,
                     queries + begin, result[s],       normed + begin, nullptr,        queries + begin};
      }
      evaluate(*weights, count, tokens, input, part, head, epsilon, memory, false, inner, result);
    }
  });
}

CTorchJointBlock *ctorch_joint_block(const CTorchBlockStream *streams, int64_t heads, int64_t width) {
  if (!ctorch_kernel_is_on(CTORCH_KERNEL_JOINT_BLOCK)) return nullptr;
  auto block = c10::make_intrusive<CTorchJointBlock>();
  block->heads = heads;
  block->width = width;
  for (int s = 0; s < 2; ++s) {
    const CTorchBlockStream &from = streams[s];
    Stream &to = block->streams[s];
    const CTorchLayer layers[] = {from.modulation, from.query, from.key, from.value, from.output, from.up, from.down};
    for (int i = 0; i < 7; ++i) {
      to.layers()[i]->weight = borrow(layers[i].weight);
      to.layers()[i]->bias = borrow(layers[i].bias);
    }
    if (!to.isLast()) to.queryNorm = borrow(from.query_norm);
    to.keyNorm = borrow(from.key_norm);
  }
  return block.release();
}

void ctorch_joint_block_release(CTorchJointBlock *block) { c10::raw::intrusive_ptr::decref(block); }

void ctorch_joint_block_run(CTorchJointBlock *block, const CTorchTensor *first, const CTorchTensor *second,
                            const CTorchTensor *conditioning, const CTorchTensor *bias, double epsilon,
                            CTorchTensor *first_out, CTorchTensor *second_out) {
  const float *x[2] = {numbers(first), numbers(second)};
  float *out[2] = {numbers(first_out), second_out ? numbers(second_out) : nullptr};
  const int64_t tokens[2] = {implementation(first)->sizes()[1], implementation(second)->sizes()[1]};
  block->run(x, numbers(conditioning), implementation(first)->sizes()[0], tokens, bias ? numbers(bias) : nullptr,
             static_cast<float>(epsilon), out);
}
#else
CTorchJointBlock *ctorch_joint_block(const CTorchBlockStream *, int64_t, int64_t) { return nullptr; }
void ctorch_joint_block_release(CTorchJointBlock *) {}
void ctorch_joint_block_run(CTorchJointBlock *, const CTorchTensor *, const CTorchTensor *, const CTorchTensor *,
                            const CTorchTensor *, double, CTorchTensor *, CTorchTensor *) {}
#endif

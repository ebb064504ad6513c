// One block of a transformer over two streams of tokens (MMDiT), evaluated without gradients on the calling thread:
// some samples at a time, so that everything between two steps stays in the nearest caches, without an operator or an
// allocation.

#include "tensors.h"

#if defined(__x86_64__)
#include "kernels.h"
#include "matrix_product.h"
#include "vectors.h"
#include "workers.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

namespace {

constexpr std::align_val_t line{64};
struct Free {
  void operator()(float *memory) const { ::operator delete[](memory, line); }
};
typedef std::unique_ptr<float[], Free> Memory;

Memory allocate(int64_t count) {
  return Memory(static_cast<float *>(::operator new[](count * sizeof(float), line)));
}

// null for an undefined tensor
const float *numbers(const at::Tensor &tensor) {
  return tensor.defined() ? static_cast<const float *>(tensor.const_data_ptr()) : nullptr;
}

// A layer, and its weight in the order in which it is read.
struct Layer {
  at::Tensor weight, bias;
  Memory packed;

  bool exists() const { return weight.defined(); }

  void pack() {
    if (!exists()) return;
    if (!packed) packed = allocate(weight.numel());
    packWeight(numbers(weight), weight.size(0), weight.size(1), packed.get());
  }

  PackedLayer operator*() const {
    return {packed.get(), numbers(bias), weight.size(1), weight.size(0)};
  }
};

struct Stream {
  Layer modulation, query, key, value, output, up, down;
  at::Tensor queryNorm, keyNorm;

  std::array<Layer *, 7> layers() { return {&modulation, &query, &key, &value, &output, &up, &down}; }
  // The last block's text is asked nothing and goes no further.
  bool isLast() const { return !output.exists(); }
};

float *numbers(const CTorchTensor *tensor) { return static_cast<float *>(implementation(tensor)->mutable_data()); }

at::Tensor borrow(const CTorchTensor *tensor) {
  return tensor ? at::Tensor(c10::intrusive_ptr<at::TensorImpl>::reclaim_copy(implementation(tensor))) : at::Tensor();
}

// Rows of a feed-forward layer at once: its hidden values stay in the nearest cache.
constexpr int64_t hiddenRows = 64;
// Tokens of both streams at once.
constexpr int64_t tileTokens = 256;

// What a thread computes in; kept for its next block.
class Scratch {
public:
  void reserve(int64_t count) {
    if (count <= size) return;
    memory = allocate(count);
    size = count;
  }
  float *first() { return memory.get(); }

private:
  Memory memory;
  int64_t size = 0;
};
thread_local Scratch scratch;

} // namespace

struct CTorchJointBlock {
  std::array<Stream, 2> streams;
  int64_t heads, width;
  std::mutex mutex;
  // The scope whose weights are packed.
  int64_t scope = -1;

  void refresh() {
    std::unique_lock lock(mutex);
    if (scope == rowScope()) return;
    for (Stream &stream : streams)
      for (Layer *layer : stream.layers()) layer->pack();
    scope = rowScope();
  }

  // `[batch, tokens, width]` each; the second `out` is null where the second stream is the last.
  void run(const float *const *x, const float *conditioning, int64_t batch, const int64_t *tokens, const float *bias,
           float epsilon, float *const *out) {
    refresh();
    const int64_t total = tokens[0] + tokens[1], tile = std::clamp<int64_t>(tileTokens / total, 1, batch);
    const int64_t rows = tile * total * width;
    int64_t parts[2], modulations = 0, hidden = 0;
    for (int s = 0; s < 2; ++s) {
      parts[s] = streams[s].modulation.weight.size(0);
      modulations += batch * parts[s];
      if (!streams[s].isLast()) hidden = std::max(hidden, hiddenRows * streams[s].up.weight.size(0));
    }
    scratch.reserve(5 * rows + hidden + modulations);
    float *normed = scratch.first(), *queries = normed + rows, *keys = queries + rows, *values = keys + rows;
    float *attended = values + rows, *inner = attended + rows, *modulation[2] = {inner + hidden, nullptr};
    modulation[1] = modulation[0] + batch * parts[0];
    for (int s = 0; s < 2; ++s) packedLinear(*streams[s].modulation, conditioning, batch, modulation[s]);
    Head head(width / heads, total, bias);

    for (int64_t first = 0; first < batch; first += tile) {
      const int64_t count = std::min(tile, batch - first);
      // Where a stream's rows begin in the memory of both.
      const int64_t begin[2] = {0, count * tokens[0] * width};
      for (int s = 0; s < 2; ++s) {
        const Stream &stream = streams[s];
        const float *part = modulation[s] + first * parts[s], *input = x[s] + first * tokens[s] * width;
        // The last block's modulation is that of a final layer, scale before shift.
        const float *shift = part + (stream.isLast() ? width : 0), *scale = part + (stream.isLast() ? 0 : width);
        const int64_t height = count * tokens[s];
        applyNorm(input, shift, scale, normed + begin[s], count, tokens[s], width, parts[s], epsilon);
        if (!stream.isLast()) packedLinear(*stream.query, normed + begin[s], height, queries + begin[s]);
        packedLinear(*stream.key, normed + begin[s], height, keys + begin[s]);
        packedLinear(*stream.value, normed + begin[s], height, values + begin[s]);
      }
      for (int64_t sample = 0; sample < count; ++sample)
        for (int64_t index = 0; index < heads; ++index) {
          Rows rowsOf[3][2];
          float *to[2];
          for (int s = 0; s < 2; ++s) {
            const Stream &stream = streams[s];
            const int64_t at = begin[s] + sample * tokens[s] * width + index * head.width;
            rowsOf[0][s] = {queries + at, stream.isLast() ? 0 : tokens[s], width, numbers(stream.queryNorm)};
            rowsOf[1][s] = {keys + at, tokens[s], width, numbers(stream.keyNorm)};
            rowsOf[2][s] = {values + at, tokens[s], width, nullptr};
            to[s] = attended + at;
          }
          applyAttention(head, rowsOf[0], rowsOf[1], rowsOf[2], epsilon, to);
        }
      for (int s = 0; s < 2; ++s) {
        const Stream &stream = streams[s];
        if (stream.isLast()) continue;
        const float *part = modulation[s] + first * parts[s], *input = x[s] + first * tokens[s] * width;
        float *result = out[s] + first * tokens[s] * width;
        const int64_t height = count * tokens[s];
        packedLinear(*stream.output, attended + begin[s], height, queries);
        applyGate(input, part + 2 * width, queries, result, count, tokens[s], width, parts[s]);
        applyNorm(result, part + 3 * width, part + 4 * width, normed, count, tokens[s], width, parts[s], epsilon);
        for (int64_t row = 0; row < height; row += hiddenRows) {
          const int64_t some = std::min(hiddenRows, height - row);
          packedLinear(*stream.up, normed + row * width, some, inner);
          applyGELU(inner, some * stream.up.weight.size(0));
          packedLinear(*stream.down, inner, some, queries + row * width);
        }
        applyGate(result, part + 5 * width, queries, result, count, tokens[s], width, parts[s]);
      }
    }
  }
};

CTorchJointBlock *ctorch_joint_block(const CTorchBlockStream *streams, int64_t heads, int64_t width) {
  if (!hasVectors()) return nullptr;
  auto *block = new CTorchJointBlock{.heads = heads, .width = width};
  for (int s = 0; s < 2; ++s) {
    const CTorchBlockStream &from = streams[s];
    Stream &to = block->streams[s];
    const CTorchLayer layers[] = {from.modulation, from.query, from.key, from.value, from.output, from.up, from.down};
    for (int i = 0; i < 7; ++i) {
      to.layers()[i]->weight = borrow(layers[i].weight);
      to.layers()[i]->bias = borrow(layers[i].bias);
    }
    to.queryNorm = borrow(from.query_norm);
    to.keyNorm = borrow(from.key_norm);
  }
  return block;
}

void ctorch_joint_block_release(CTorchJointBlock *block) { delete block; }

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

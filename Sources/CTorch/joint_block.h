// What a block over two streams of tokens (MMDiT) is made of, for its evaluation and its derivative.
#pragma once

#include "tensors.h"

#if defined(__x86_64__)
#include "kernels.h"
#include "matrix_product.h"

#include <ATen/core/ivalue.h>

#include <array>
#include <memory>
#include <mutex>
#include <new>

constexpr std::align_val_t cacheLine{64};
struct FreeMemory {
  void operator()(float *memory) const { ::operator delete[](memory, cacheLine); }
};
typedef std::unique_ptr<float[], FreeMemory> Memory;

inline Memory allocate(int64_t count) {
  return Memory(static_cast<float *>(::operator new[](count * sizeof(float), cacheLine)));
}

// What a thread computes in; kept for its next block.
class Scratch {
public:
  float *reserve(int64_t count) {
    if (count > size) {
      memory = allocate(count);
      size = count;
    }
    return memory.get();
  }

private:
  Memory memory;
  int64_t size = 0;
};

// null for an undefined tensor
inline const float *numbers(const at::Tensor &tensor) {
  return tensor.defined() ? static_cast<const float *>(tensor.const_data_ptr()) : nullptr;
}

struct Layer {
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

struct Stream : StreamLayers<Layer> {
  at::Tensor queryNorm, keyNorm;

  // The last block's text is asked nothing and goes no further.
  bool isLast() const { return !output.exists(); }
  int64_t parts() const { return modulation.outputs(); }
  // Where the modulation of attention's input begins; that of a last block is a final layer's, scale before shift.
  int64_t shift(int64_t width) const { return isLast() ? width : 0; }
  int64_t scale(int64_t width) const { return isLast() ? 0 : width; }
};

// Weights of both streams in the order in which they are read; does not change once it is made.
struct PackedBlock {
  std::array<StreamLayers<PackedLayer>, 2> streams;
  Memory weights;

  explicit PackedBlock(const std::array<Stream, 2> &from);
};

// What a stream's tokens become on their way, `[tokens, D]` each, but for hidden values.
struct StreamMemory {
  float *normed, *queries, *keys, *values, *attended, *projected, *middle, *normedAgain, *hidden, *update;
};

// Tokens of both streams at once.
constexpr int64_t tileTokens = 256;
// Rows of a feed-forward layer at once: its hidden values stay in the nearest cache.
constexpr int64_t hiddenRows = 64;

// Held by networks and by records that lead back through it.
struct CTorchJointBlock : torch::CustomClassHolder {
  std::array<Stream, 2> streams;
  int64_t heads = 0, width = 0;

  // The weights of the present scope. Threads in another scope may get others meanwhile: the caller keeps these.
  std::shared_ptr<const PackedBlock> packed();

  // How many numbers of every token are kept for the derivative, by stream.
  int64_t keptNumbers(int s) const;
  // The memory of the tokens from `first` on among `tokens` of a stream, in `memory`, which holds `keptNumbers` of each.
  StreamMemory kept(int s, float *memory, int64_t tokens, int64_t first) const;

  // Some samples, whose first rows all addresses are those of. `[count, tokens, D]` and modulations `[count, parts]`.
  // `inner` has `hiddenRows` rows of hidden values; `keeps` those of all in the memory.
  void evaluate(const PackedBlock &packed, int64_t count, const int64_t *tokens, const float *const *x,
                const float *const *modulation, Head &head, float epsilon, const StreamMemory *memory, bool keeps,
                float *inner, float *const *out) const;

  // `[batch, tokens, D]` each; the second `out` is null where the second stream is the last.
  void run(const float *const *x, const float *conditioning, int64_t batch, const int64_t *tokens, const float *bias,
           float epsilon, float *const *out);

private:
  // Guards what follows.
  std::mutex mutex;
  std::shared_ptr<const PackedBlock> latest;
  // The scope that `latest` was packed in.
  int64_t scope = -1;
};

// The block's outputs, with a record for the derivative.
std::array<at::Tensor, 2> recordJointBlock(CTorchJointBlock *block, const at::Tensor &first, const at::Tensor &second,
                                           const at::Tensor &conditioning, const at::Tensor &bias, double epsilon);
#endif

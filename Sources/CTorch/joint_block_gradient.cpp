// The derivative of a block over two streams of tokens (MMDiT), on the calling thread, as one node of libtorch's record.
// Its forward pass keeps what the steps between its products gave; the backward pass takes some samples at a time
// through all of them.

#include "joint_block.h"

#if defined(__x86_64__)
#include "gelu.h"
#include "matrix_tiles.h"
#include "workers.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

VECTORS_BEGIN

namespace {

INLINE Vector broadcast(float value) { return _mm512_set1_ps(value); }

// `to += the sum of the rows`
void addRows(const float *rows, int64_t count, int64_t width, float *to) {
  for (int64_t i = 0; i < width; i += lanes) {
    Vector sum = read(to + i);
    for (int64_t row = 0; row < count; ++row) sum = _mm512_add_ps(sum, read(rows + row * width + i));
    write(to + i, sum);
  }
}

// Of `x + gate update`, whose gradient arrives: the gradients of `update`, and of every sample's gate.
void differentiateGate(const float *gradient, const float *gates, const float *update, float *updateGradient,
                       float *gateGradient, int64_t count, int64_t tokens, int64_t width, int64_t stride) {
  for (int64_t sample = 0; sample < count; ++sample)
    for (int64_t i = 0; i < width; i += lanes) {
      const Vector gate = read(gates + sample * stride + i);
      Vector sum = _mm512_setzero_ps();
      for (int64_t row = sample * tokens; row < (sample + 1) * tokens; ++row) {
        const Vector change = read(gradient + row * width + i);
        sum = _mm512_fmadd_ps(change, read(update + row * width + i), sum);
        write(updateGradient + row * width + i, _mm512_mul_ps(change, gate));
      }
      write(gateGradient + sample * stride + i, sum);
    }
}

// Of `shift + layer_norm(x) (1 + scale)`: the gradient of `x`, added to `base` unless that is null, and those of every
// sample's shift and scale.
void differentiateNorm(const float *x, const float *scale, const float *gradient, const float *base, float *xGradient,
                       float *shiftGradient, float *scaleGradient, int64_t count, int64_t tokens, int64_t width,
                       int64_t stride, float epsilon) {
  const float share = 1 / static_cast<float>(width);
  for (int64_t sample = 0; sample < count; ++sample) {
    const float *factors = scale + sample * stride;
    float *shifts = shiftGradient + sample * stride, *scales = scaleGradient + sample * stride;
    std::fill(shifts, shifts + width, 0.0f);
    std::fill(scales, scales + width, 0.0f);
    for (int64_t row = sample * tokens; row < (sample + 1) * tokens; ++row) {
      const float *from = x + row * width, *change = gradient + row * width;
      Vector sum = _mm512_setzero_ps(), squares = sum, changes = sum, products = sum;
      for (int64_t i = 0; i < width; i += lanes) sum = _mm512_add_ps(sum, read(from + i));
      const Vector mean = broadcast(_mm512_reduce_add_ps(sum) * share);
      for (int64_t i = 0; i < width; i += lanes) {
        const Vector difference = _mm512_sub_ps(read(from + i), mean);
        squares = _mm512_fmadd_ps(difference, difference, squares);
      }
      const Vector factor = broadcast(1 / std::sqrt(_mm512_reduce_add_ps(squares) * share + epsilon));
      for (int64_t i = 0; i < width; i += lanes) {
        const Vector normed = _mm512_mul_ps(_mm512_sub_ps(read(from + i), mean), factor), arrived = read(change + i);
        write(shifts + i, _mm512_add_ps(read(shifts + i), arrived));
        write(scales + i, _mm512_fmadd_ps(arrived, normed, read(scales + i)));
        const Vector scaled = _mm512_fmadd_ps(arrived, read(factors + i), arrived);
        changes = _mm512_add_ps(changes, scaled);
        products = _mm512_fmadd_ps(scaled, normed, products);
      }
      const Vector change0 = broadcast(_mm512_reduce_add_ps(changes) * share);
      const Vector change1 = broadcast(_mm512_reduce_add_ps(products) * share);
      for (int64_t i = 0; i < width; i += lanes) {
        const Vector normed = _mm512_mul_ps(_mm512_sub_ps(read(from + i), mean), factor), arrived = read(change + i);
        Vector rest = _mm512_fmadd_ps(arrived, read(factors + i), arrived);
        rest = _mm512_sub_ps(_mm512_fnmadd_ps(normed, change1, rest), change0);
        const Vector before = base ? read(base + row * width + i) : _mm512_setzero_ps();
        write(xGradient + row * width + i, _mm512_fmadd_ps(rest, factor, before));
      }
    }
  }
}

// One head of one sample: both streams' tokens behind each other.
struct HeadSpace {
  int64_t width, keys, padded;
  std::vector<float> memory;
  // `[keys, width]`, and `Transposed` `[width, padded]`
  float *queries, *keyRows, *values, *attended, *keysTransposed, *valuesTransposed;
  // `[keys, padded]`
  float *shares, *changes;
  // Gradients, `[keys, width]`
  float *queryGradient, *keyGradient, *valueGradient;
  // The roots of the mean squares' reciprocals, and the mask with -infinity behind the last key.
  float *queryFactors, *keyFactors, *bias;

  HeadSpace(int64_t width, int64_t keys, const float *mask) : width(width), keys(keys), padded((keys + 15) / 16 * 16) {
    memory.resize(7 * keys * width + 2 * width * padded + 2 * keys * padded + 3 * padded);
    float *next = memory.data();
    const auto take = [&](int64_t count) { return std::exchange(next, next + count); };
    for (float **rows : {&queries, &keyRows, &values, &attended, &queryGradient, &keyGradient, &valueGradient})
      *rows = take(keys * width);
    keysTransposed = take(width * padded);
    valuesTransposed = take(width * padded);
    shares = take(keys * padded);
    changes = take(keys * padded);
    queryFactors = take(padded);
    keyFactors = take(padded);
    bias = take(padded);
    for (int64_t key = 0; key < padded; ++key) bias[key] = key < keys ? (mask ? mask[key] * log2e : 0.0f) : -INFINITY;
  }
};

// Copies a head's rows, divided by their root mean square where there is a weight.
void gather(const float *from, int64_t count, int64_t stride, const float *weight, int64_t width, float epsilon,
            float *to, float *factors) {
  for (int64_t row = 0; row < count; ++row, from += stride, to += width) {
    if (!weight) {
      std::memcpy(to, from, width * sizeof(float));
      continue;
    }
    Vector squares = _mm512_setzero_ps();
    for (int64_t i = 0; i < width; i += lanes) squares = _mm512_fmadd_ps(read(from + i), read(from + i), squares);
    factors[row] = 1 / std::sqrt(_mm512_reduce_add_ps(squares) / static_cast<float>(width) + epsilon);
    const Vector factor = broadcast(factors[row]);
    for (int64_t i = 0; i < width; i += lanes)
      write(to + i, _mm512_mul_ps(_mm512_mul_ps(read(from + i), factor), read(weight + i)));
  }
}

// The gradients of what `gather` has read, and of its weight, to which they are added.
void scatter(const float *gradient, const float *from, int64_t count, int64_t stride, const float *weight,
             int64_t width, const float *factors, float *to, float *weightGradient) {
  for (int64_t row = 0; row < count; ++row, gradient += width, from += stride, to += stride) {
    if (!weight) {
      std::memcpy(to, gradient, width * sizeof(float));
      continue;
    }
    const Vector factor = broadcast(factors[row]);
    Vector products = _mm512_setzero_ps();
    for (int64_t i = 0; i < width; i += lanes) {
      const Vector normed = _mm512_mul_ps(read(from + i), factor), arrived = read(gradient + i);
      write(weightGradient + i, _mm512_fmadd_ps(arrived, normed, read(weightGradient + i)));
      products = _mm512_fmadd_ps(_mm512_mul_ps(arrived, read(weight + i)), normed, products);
    }
    const Vector mean = broadcast(_mm512_reduce_add_ps(products) / static_cast<float>(width));
    for (int64_t i = 0; i < width; i += lanes) {
      const Vector normed = _mm512_mul_ps(read(from + i), factor);
      const Vector scaled = _mm512_mul_ps(read(gradient + i), read(weight + i));
      write(to + i, _mm512_mul_ps(_mm512_fnmadd_ps(normed, mean, scaled), factor));
    }
  }
}

// Fills in the gradients of a head's queries, keys and values from that of the first `queries` rows it attends with.
void differentiateAttention(HeadSpace &head, int64_t queries) {
  const int64_t keys = head.keys, padded = head.padded, width = head.width;
  const float scale = 1 / std::sqrt(static_cast<float>(width));
  const Vector logits = broadcast(scale * log2e), factor = broadcast(scale);
  transposeRows(head.keyRows, keys, width, head.keysTransposed, padded);
  transposeRows(head.values, keys, width, head.valuesTransposed, padded);
  multiply(queries, width, padded, head.queries, width, 1, head.keysTransposed, padded, false, head.shares, padded);
  multiply(queries, width, padded, head.attended, width, 1, head.valuesTransposed, padded, false, head.changes, padded);
  for (int64_t query = 0; query < queries; ++query) {
    float *row = head.shares + query * padded, *change = head.changes + query * padded;
    Vector most = broadcast(-INFINITY), total = _mm512_setzero_ps(), mean = total;
    for (int64_t i = 0; i < padded; i += lanes) {
      const Vector logit = _mm512_fmadd_ps(read(row + i), logits, read(head.bias + i));
      write(row + i, logit);
      most = _mm512_max_ps(most, logit);
    }
    const Vector peak = broadcast(_mm512_reduce_max_ps(most));
    for (int64_t i = 0; i < padded; i += lanes) {
      const Vector power = powerOfTwo(_mm512_sub_ps(read(row + i), peak));
      write(row + i, power);
      total = _mm512_add_ps(total, power);
    }
    const Vector share = broadcast(1 / _mm512_reduce_add_ps(total));
    for (int64_t i = 0; i < padded; i += lanes) {
      const Vector value = _mm512_mul_ps(read(row + i), share);
      write(row + i, value);
      mean = _mm512_fmadd_ps(value, read(change + i), mean);
    }
    const Vector middle = broadcast(_mm512_reduce_add_ps(mean));
    for (int64_t i = 0; i < padded; i += lanes)
      write(change + i, _mm512_mul_ps(_mm512_mul_ps(read(row + i), _mm512_sub_ps(read(change + i), middle)), factor));
  }
  multiply(keys, queries, width, head.shares, 1, padded, head.attended, width, false, head.valueGradient, width);
  multiply(queries, keys, width, head.changes, padded, 1, head.keyRows, width, false, head.queryGradient, width);
  multiply(keys, queries, width, head.changes, 1, padded, head.queries, width, false, head.keyGradient, width);
}

// Gradients of a layer, which are added up.
struct LayerGradient {
  at::Tensor weight, bias;

  explicit LayerGradient(const Layer &layer) {
    if (!layer.exists()) return;
    weight = at::zeros_like(layer.weight);
    if (layer.bias.defined()) bias = at::zeros_like(layer.bias);
  }
};

// Rows of a layer that gets `x`; the gradient of `x` replaces `xGradient`, or is added to it.
void differentiateLinear(const Layer &layer, const LayerGradient &to, const float *x, const float *gradient,
                         int64_t rows, float *xGradient, bool adds) {
  const int64_t outputs = layer.outputs(), inputs = layer.inputs();
  multiply(outputs, rows, inputs, gradient, 1, outputs, x, inputs, true, to.weight.mutable_data_ptr<float>(), inputs);
  if (to.bias.defined()) addRows(gradient, rows, outputs, to.bias.mutable_data_ptr<float>());
  multiply(rows, outputs, inputs, gradient, outputs, 1, numbers(layer.weight), inputs, adds, xGradient, inputs);
}

struct StreamGradient {
  LayerGradient modulation, query, key, value, output, up, down;
  at::Tensor queryNorm, keyNorm;

  explicit StreamGradient(const Stream &stream)
      : modulation(stream.modulation), query(stream.query), key(stream.key), value(stream.value), output(stream.output),
        up(stream.up), down(stream.down) {
    if (stream.queryNorm.defined()) queryNorm = at::zeros_like(stream.queryNorm);
    if (stream.keyNorm.defined()) keyNorm = at::zeros_like(stream.keyNorm);
  }
};

float *mutableNumbers(const at::Tensor &tensor) { return tensor.defined() ? tensor.mutable_data_ptr<float>() : nullptr; }

// Rows of a feed-forward layer at once.
constexpr int64_t rowsBack = 2 * hiddenRows;

struct Problem {
  const CTorchJointBlock &block;
  int64_t batch, tokens[2];
  float epsilon;
  const float *x[2], *conditioning, *bias, *modulation[2];
  float *kept[2];
  const float *outGradient[2];
  float *xGradient[2], *conditioningGradient;
};

void differentiate(const Problem &problem, std::array<StreamGradient, 2> &to) {
  const CTorchJointBlock &block = problem.block;
  const int64_t width = block.width, batch = problem.batch, total = problem.tokens[0] + problem.tokens[1];
  const int64_t tile = std::clamp<int64_t>(tileTokens / total, 1, batch), size = tile * total * width;
  int64_t hidden = 0, modulations = 0;
  for (const Stream &stream : block.streams) {
    modulations += batch * stream.parts();
    if (!stream.isLast()) hidden = std::max(hidden, rowsBack * stream.up.outputs());
  }
  thread_local Scratch scratch;
  float *change = scratch.reserve(7 * size + 2 * hidden + modulations), *inner = change + size;
  // Of what goes into attention and comes out of it, and of what goes around it.
  float *queries = inner + size, *keys = queries + size, *values = keys + size, *attended = values + size;
  float *middle = attended + size, *active = middle + size, *inactive = active + hidden;
  float *modulation[2] = {inactive + hidden, inactive + hidden + batch * block.streams[0].parts()};
  HeadSpace head(width / block.heads, total, problem.bias);

  for (int64_t first = 0; first < batch; first += tile) {
    const int64_t count = std::min(tile, batch - first);
    StreamMemory memory[2];
    int64_t begin[2];
    for (int s = 0; s < 2; ++s) {
      memory[s] = block.kept(s, problem.kept[s], batch * problem.tokens[s], first * problem.tokens[s]);
      begin[s] = s * count * problem.tokens[0] * width;
    }
    for (int s = 0; s < 2; ++s) {
      const Stream &stream = block.streams[s];
      if (stream.isLast()) continue;
      const StreamMemory &m = memory[s];
      const int64_t tokens = problem.tokens[s], rows = count * tokens, parts = stream.parts();
      const int64_t wide = stream.up.outputs();
      const float *part = problem.modulation[s] + first * parts;
      const float *arrived = problem.outGradient[s] + first * tokens * width;
      float *partGradient = modulation[s] + first * parts;
      differentiateGate(arrived, part + 5 * width, m.update, change, partGradient + 5 * width, count, tokens, width,
                        parts);
      for (int64_t row = 0; row < rows; row += rowsBack) {
        const int64_t some = std::min(rowsBack, rows - row);
        applyGELU(m.hidden + row * wide, some * wide, active);
        differentiateLinear(stream.down, to[s].down, active, change + row * width, some, inactive, false);
        applyGELUGradient(m.hidden + row * wide, inactive, some * wide, inactive);
        differentiateLinear(stream.up, to[s].up, m.normedAgain + row * width, inactive, some, inner + row * width, false);
      }
      differentiateNorm(m.middle, part + 4 * width, inner, arrived, middle + begin[s], partGradient + 3 * width,
                        partGradient + 4 * width, count, tokens, width, parts, problem.epsilon);
      differentiateGate(middle + begin[s], part + 2 * width, m.projected, change, partGradient + 2 * width, count,
                        tokens, width, parts);
      differentiateLinear(stream.output, to[s].output, m.attended, change, rows, attended + begin[s], false);
    }
    const int64_t asking = block.streams[1].isLast() ? problem.tokens[0] : total;
    for (int64_t sample = 0; sample < count; ++sample)
      for (int64_t index = 0; index < block.heads; ++index) {
        for (int s = 0, token = 0; s < 2; token += problem.tokens[s++]) {
          const Stream &stream = block.streams[s];
          const int64_t at = sample * problem.tokens[s] * width + index * head.width, row = token * head.width;
          const int64_t tokens = problem.tokens[s];
          if (!stream.isLast()) {
            gather(memory[s].queries + at, tokens, width, numbers(stream.queryNorm), head.width, problem.epsilon,
                   head.queries + row, head.queryFactors + token);
            gather(attended + begin[s] + at, tokens, width, nullptr, head.width, 0, head.attended + row, nullptr);
          }
          gather(memory[s].keys + at, tokens, width, numbers(stream.keyNorm), head.width, problem.epsilon,
                 head.keyRows + row, head.keyFactors + token);
          gather(memory[s].values + at, tokens, width, nullptr, head.width, 0, head.values + row, nullptr);
        }
        differentiateAttention(head, asking);
        for (int s = 0, token = 0; s < 2; token += problem.tokens[s++]) {
          const Stream &stream = block.streams[s];
          const int64_t at = sample * problem.tokens[s] * width + index * head.width, row = token * head.width;
          const int64_t tokens = problem.tokens[s];
          if (!stream.isLast())
            scatter(head.queryGradient + row, memory[s].queries + at, tokens, width, numbers(stream.queryNorm),
                    head.width, head.queryFactors + token, queries + begin[s] + at, mutableNumbers(to[s].queryNorm));
          scatter(head.keyGradient + row, memory[s].keys + at, tokens, width, numbers(stream.keyNorm), head.width,
                  head.keyFactors + token, keys + begin[s] + at, mutableNumbers(to[s].keyNorm));
          scatter(head.valueGradient + row, nullptr, tokens, width, nullptr, head.width, nullptr, values + begin[s] + at,
                  nullptr);
        }
      }
    for (int s = 0; s < 2; ++s) {
      const Stream &stream = block.streams[s];
      const StreamMemory &m = memory[s];
      const int64_t tokens = problem.tokens[s], rows = count * tokens, parts = stream.parts(), at = first * tokens * width;
      const float *part = problem.modulation[s] + first * parts;
      float *partGradient = modulation[s] + first * parts;
      differentiateLinear(stream.key, to[s].key, m.normed, keys + begin[s], rows, inner, false);
      differentiateLinear(stream.value, to[s].value, m.normed, values + begin[s], rows, inner, true);
      if (!stream.isLast())
        differentiateLinear(stream.query, to[s].query, m.normed, queries + begin[s], rows, inner, true);
      differentiateNorm(problem.x[s] + at, part + stream.scale(width), inner, stream.isLast() ? nullptr : middle + begin[s],
                        problem.xGradient[s] + at, partGradient + stream.shift(width),
                        partGradient + stream.scale(width), count, tokens, width, parts, problem.epsilon);
    }
  }
  for (int s = 0; s < 2; ++s)
    differentiateLinear(block.streams[s].modulation, to[s].modulation, problem.conditioning, modulation[s], batch,
                        problem.conditioningGradient, s > 0);
}

} // namespace

VECTORS_END

int64_t CTorchJointBlock::keptNumbers(int s) const {
  return streams[s].isLast() ? 3 * width : 9 * width + streams[s].up.outputs();
}

StreamMemory CTorchJointBlock::kept(int s, float *memory, int64_t tokens, int64_t first) const {
  const auto part = [&](int64_t index) { return memory + (index * tokens + first) * width; };
  StreamMemory result{.normed = part(0), .keys = part(1), .values = part(2)};
  if (streams[s].isLast()) return result;
  result.queries = part(3);
  result.attended = part(4);
  result.projected = part(5);
  result.middle = part(6);
  result.normedAgain = part(7);
  result.update = part(8);
  result.hidden = memory + 9 * tokens * width + first * streams[s].up.outputs();
  return result;
}

namespace {

typedef torch::autograd::variable_list Tensors;

template <typename Streams> Tensors leavesOf(Streams &streams) {
  Tensors leaves;
  for (auto &stream : streams) {
    for (auto *layer : {&stream.modulation, &stream.query, &stream.key, &stream.value, &stream.output, &stream.up,
                        &stream.down})
      for (const at::Tensor &tensor : {layer->weight, layer->bias})
        if (tensor.defined()) leaves.push_back(tensor);
    for (const at::Tensor &tensor : {stream.queryNorm, stream.keyNorm})
      if (tensor.defined()) leaves.push_back(tensor);
  }
  return leaves;
}

// Addresses of everything but gradients.
Problem problemOf(const CTorchJointBlock &block, const at::Tensor *x, const at::Tensor &conditioning,
                  const at::Tensor &bias, double epsilon, const at::Tensor &modulation, const at::Tensor &memory) {
  Problem problem{block, x[0].size(0), {x[0].size(1), x[1].size(1)}, static_cast<float>(epsilon)};
  problem.conditioning = numbers(conditioning);
  problem.bias = numbers(bias);
  float *kept = memory.mutable_data_ptr<float>();
  const float *parts = numbers(modulation);
  for (int s = 0; s < 2; ++s) {
    problem.x[s] = numbers(x[s]);
    problem.kept[s] = kept;
    problem.modulation[s] = parts;
    kept += problem.batch * problem.tokens[s] * block.keptNumbers(s);
    parts += problem.batch * block.streams[s].parts();
  }
  return problem;
}

struct JointBlock : torch::autograd::Function<JointBlock> {
  static Tensors forward(torch::autograd::AutogradContext *context, CTorchJointBlock *block,
                         const std::optional<at::Tensor> &bias, double epsilon, const at::Tensor &first, const at::Tensor &second,
                         const at::Tensor &conditioning, at::TensorList) {
    const at::Tensor x[] = {first, second};
    const int64_t batch = first.size(0), tokens[] = {first.size(1), second.size(1)}, total = tokens[0] + tokens[1];
    int64_t numbersKept = 0, parts = 0, hidden = 0;
    for (int s = 0; s < 2; ++s) {
      numbersKept += batch * tokens[s] * block->keptNumbers(s);
      parts += batch * block->streams[s].parts();
      if (!block->streams[s].isLast()) hidden = std::max(hidden, hiddenRows * block->streams[s].up.outputs());
    }
    const at::Tensor memory = at::empty({numbersKept}, first.options()), modulation = at::empty({parts}, first.options());
    const Problem problem = problemOf(*block, x, conditioning, bias.value_or(at::Tensor()), epsilon, modulation, memory);
    const std::shared_ptr<const PackedBlock> weights = block->packed();
    for (int s = 0; s < 2; ++s)
      packedLinear(weights->streams[s].modulation, problem.conditioning, batch,
                   const_cast<float *>(problem.modulation[s]));
    Tensors outputs = {at::empty_like(first)};
    if (!block->streams[1].isLast()) outputs.push_back(at::empty_like(second));
    float *results[2] = {};
    for (size_t s = 0; s < outputs.size(); ++s) results[s] = outputs[s].mutable_data_ptr<float>();
    const int64_t tile = std::clamp<int64_t>(tileTokens / total, 1, batch);
    share((batch + tile - 1) / tile, [&](Steps &steps) {
      thread_local Scratch scratch;
      float *inner = scratch.reserve(hidden);
      Head head(block->width / block->heads, total, problem.bias);
      for (int64_t step; (step = steps.next()) >= 0;) {
        const int64_t begin = step * tile;
        const float *input[2], *part[2];
        float *out[2];
        StreamMemory memory[2];
        for (int s = 0; s < 2; ++s) {
          const int64_t at = begin * tokens[s] * block->width;
          input[s] = problem.x[s] + at;
          part[s] = problem.modulation[s] + begin * block->streams[s].parts();
          out[s] = results[s] ? results[s] + at : nullptr;
          memory[s] = block->kept(s, problem.kept[s], batch * tokens[s], begin * tokens[s]);
        }
        block->evaluate(*weights, std::min(tile, batch - begin), tokens, input, part, head, problem.epsilon, memory,
                        true, inner, out);
      }
    });
    context->save_for_backward({first, second, conditioning, modulation, memory});
    if (bias) context->saved_data["bias"] = *bias;
    context->saved_data["block"] = c10::IValue::make_capsule(
        c10::intrusive_ptr<torch::CustomClassHolder>::unsafe_reclaim_from_nonowning(block));
    context->saved_data["epsilon"] = epsilon;
    return outputs;
  }

  static Tensors backward(torch::autograd::AutogradContext *context, const Tensors &gradients) {
    const auto saved = context->get_saved_variables();
    const auto &block = static_cast<const CTorchJointBlock &>(*context->saved_data["block"].toCapsule());
    const auto bias = context->saved_data.find("bias");
    Problem problem = problemOf(block, &saved[0], saved[2],
                                bias == context->saved_data.end() ? at::Tensor() : bias->second.toTensor(),
                                context->saved_data["epsilon"].toDouble(), saved[3], saved[4]);
    std::array<StreamGradient, 2> leaves = {StreamGradient(block.streams[0]), StreamGradient(block.streams[1])};
    Tensors arrived, results = {at::Tensor(), at::Tensor(), at::Tensor()};
    for (const at::Tensor &gradient : gradients) arrived.push_back(gradient.contiguous());
    for (int s = 0; s < 2; ++s) {
      problem.outGradient[s] = s < static_cast<int>(arrived.size()) ? numbers(arrived[s]) : nullptr;
      results.push_back(at::empty_like(saved[s]));
      problem.xGradient[s] = results.back().mutable_data_ptr<float>();
    }
    results.push_back(at::empty_like(saved[2]));
    problem.conditioningGradient = results.back().mutable_data_ptr<float>();
    differentiate(problem, leaves);
    for (const at::Tensor &gradient : leavesOf(leaves)) results.push_back(gradient);
    return results;
  }
};

} // namespace

std::array<at::Tensor, 2> recordJointBlock(CTorchJointBlock *block, const at::Tensor &first, const at::Tensor &second,
                                           const at::Tensor &conditioning, const at::Tensor &bias, double epsilon) {
  const Tensors leaves = leavesOf(block->streams);
  const Tensors out = JointBlock::apply(block, bias.defined() ? std::optional(bias) : std::nullopt, epsilon, first, second, conditioning, at::TensorList(leaves));
  return {out[0], out.size() > 1 ? out[1] : at::Tensor()};
}
#endif

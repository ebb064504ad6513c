// The backward pass of a joint block on the calling thread: each tile of samples goes through all steps.

#include "joint_block.h"

#if defined(__x86_64__)
#include "gelu.h"

#include <ATen/ATen.h>

namespace tempflow::cpu::SIMD {

StreamGradients::StreamGradients(const Stream &stream) {
  for (int i = 0; i < 7; ++i) {
    const LinearWeights &layer = *stream.layers()[i];
    if (!layer.exists()) continue;
    layers()[i]->weight = at::zeros_like(layer.weight);
    if (layer.bias.defined()) layers()[i]->bias = at::zeros_like(layer.bias);
  }
  if (stream.queryNorm.defined()) queryNorm = at::zeros_like(stream.queryNorm);
  if (stream.keyNorm.defined()) keyNorm = at::zeros_like(stream.keyNorm);
}

SIMD_BEGIN

namespace {

// Rows of the feed-forward layers that are computed at once.
constexpr int64_t backwardRows = 2 * hiddenRows;

// `to += the sum of the rows`
void addRows(const float *rows, int64_t count, int64_t width, float *to) {
  for (int64_t i = 0; i < width; i += lanes) {
    Vector sum = load(to + i);
    for (int64_t row = 0; row < count; ++row) sum = add(sum, load(rows + row * width + i));
    store(to + i, sum);
  }
}

// Adds the gradients of a layer's weight and bias to `to`, from the layer's input `x` and the gradient `dY` of its
// output; the gradient of `x` replaces `dX` or, with `accumulate`, is added to it.
void linearBackward(const LinearWeights &layer, const LinearWeights &to, const float *x, const float *dY, int64_t rows,
                    float *dX, bool accumulate) {
  const int64_t outputs = layer.outputs(), inputs = layer.inputs();
  gemm(outputs, inputs, rows, {dY, 1, outputs}, x, inputs, true, mutableData(to.weight), inputs);
  if (to.bias.defined()) addRows(dY, rows, outputs, mutableData(to.bias));
  gemm(rows, inputs, outputs, {dY, outputs, 1}, data(layer.weight), inputs, accumulate, dX, inputs);
}

class BlockBackward {
public:
  BlockBackward(const JointBlock &block, const BackwardProblem &problem, std::array<StreamGradients, 2> &to)
      : block(block), problem(problem), input(problem.input), to(to), width(block.width),
        head(width / block.heads, input.allTokens(), input.keyBias) {
    const int64_t size = input.tile() * input.allTokens() * width, hidden = block.hiddenCount(backwardRows);
    thread_local Scratch scratch;
    float *next = scratch.reserve(7 * size + 2 * hidden + block.modulationCount(input.batch));
    const auto take = [&](int64_t count) { return std::exchange(next, next + count); };
    for (float **gradient : {&dUpdate, &dNormed, &dQ, &dK, &dV, &dAttended, &dResidual}) *gradient = take(size);
    activated = take(hidden);
    dHidden = take(hidden);
    for (int s = 0; s < 2; ++s) dModulation[s] = take(input.batch * block.streams[s].parts());
  }

  void run() {
    for (first = 0; first < input.batch; first += input.tile()) {
      count = std::min(input.tile(), input.batch - first);
      for (int s = 0; s < 2; ++s) {
        saved[s] = block.saved(s, problem.saved[s], input.batch * input.tokens[s], first * input.tokens[s]);
        begin[s] = s * count * input.tokens[0] * width;
      }
      for (int s = 0; s < 2; ++s)
        if (!block.streams[s].isLast()) feedForward(s);
      attend();
      for (int s = 0; s < 2; ++s) project(s);
    }
    for (int s = 0; s < 2; ++s)
      linearBackward(block.streams[s].modulation, to[s].modulation, input.conditioning, dModulation[s], input.batch,
                     problem.dConditioning, s > 0);
  }

private:
  const JointBlock &block;
  const BackwardProblem &problem;
  const BlockInput &input;
  std::array<StreamGradients, 2> &to;
  const int64_t width;
  AttentionBackward head;
  // Gradients of one tile, the first stream's rows first; `dModulation` covers all samples.
  float *dUpdate, *dNormed, *dQ, *dK, *dV, *dAttended, *dResidual, *activated, *dHidden, *dModulation[2];
  // The tile: its first sample, its number of samples, the saved values of the forward pass, and the first row of
  // each stream.
  int64_t first = 0, count = 0, begin[2] = {};
  Activations saved[2] = {};

  TokenShape shape(int s) const { return {count, input.tokens[s], width, block.streams[s].parts()}; }
  const float *modulation(int s) const { return problem.modulation[s] + first * block.streams[s].parts(); }
  float *modulationGradient(int s) const { return dModulation[s] + first * block.streams[s].parts(); }

  // From the stream's output to the output of attention.
  void feedForward(int s) {
    const Stream &stream = block.streams[s];
    const Activations &a = saved[s];
    const int64_t rows = count * input.tokens[s], wide = stream.up.outputs();
    const float *part = modulation(s), *dOut = problem.dOut[s] + first * input.tokens[s] * width;
    float *dPart = modulationGradient(s);
    gatedResidualBackward(dOut, part + 5 * width, a.update, dUpdate, dPart + 5 * width, shape(s));
    for (int64_t row = 0; row < rows; row += backwardRows) {
      const int64_t some = std::min(backwardRows, rows - row);
      gelu(a.hidden + row * wide, some * wide, activated);
      linearBackward(stream.down, to[s].down, activated, dUpdate + row * width, some, dHidden, false);
      geluBackward(a.hidden + row * wide, some * wide, dHidden);
      linearBackward(stream.up, to[s].up, a.secondNormed + row * width, dHidden, some, dNormed + row * width, false);
    }
    adaLayerNormBackward(a.residual, part + 4 * width, dNormed, dOut,
                         {dResidual + begin[s], dPart + 3 * width, dPart + 4 * width}, shape(s), input.epsilon);
    gatedResidualBackward(dResidual + begin[s], part + 2 * width, a.projected, dUpdate, dPart + 2 * width, shape(s));
    linearBackward(stream.output, to[s].output, a.attended, dUpdate, rows, dAttended + begin[s], false);
  }

  void attend() {
    const int64_t queries = block.streams[1].isLast() ? input.tokens[0] : input.allTokens();
    for (int64_t sample = 0; sample < count; ++sample)
      for (int64_t index = 0; index < block.heads; ++index) {
        for (int s = 0; s < 2; ++s) gather(s, sample, index);
        head.run(queries);
        for (int s = 0; s < 2; ++s) scatter(s, sample, index);
      }
  }

  // The offset of a head's rows of a sample in a stream's activations.
  int64_t offset(int s, int64_t sample, int64_t index) const {
    return sample * input.tokens[s] * width + index * head.width;
  }
  HeadRows rows(int s, const float *from, const at::Tensor &norm) const {
    return {from, input.tokens[s], width, data(norm)};
  }

  void gather(int s, int64_t sample, int64_t index) {
    const Stream &stream = block.streams[s];
    const int64_t at = offset(s, sample, index), token = s * input.tokens[0];
    if (!stream.isLast()) {
      head.gather(rows(s, saved[s].q + at, stream.queryNorm), input.epsilon, token, head.q, head.qFactors);
      head.gather(rows(s, dAttended + begin[s] + at, {}), 0, token, head.dO, nullptr);
    }
    head.gather(rows(s, saved[s].k + at, stream.keyNorm), input.epsilon, token, head.k, head.kFactors);
    head.gather(rows(s, saved[s].v + at, {}), 0, token, head.v, nullptr);
  }

  void scatter(int s, int64_t sample, int64_t index) {
    const Stream &stream = block.streams[s];
    const int64_t at = offset(s, sample, index), token = s * input.tokens[0];
    if (!stream.isLast())
      head.scatter(head.dQ, token, rows(s, saved[s].q + at, stream.queryNorm), head.qFactors, dQ + begin[s] + at,
                   mutableData(to[s].queryNorm));
    head.scatter(head.dK, token, rows(s, saved[s].k + at, stream.keyNorm), head.kFactors, dK + begin[s] + at,
                 mutableData(to[s].keyNorm));
    head.scatter(head.dV, token, rows(s, saved[s].v + at, {}), nullptr, dV + begin[s] + at, nullptr);
  }

  // From queries, keys and values to the stream's input.
  void project(int s) {
    const Stream &stream = block.streams[s];
    const int64_t rows = count * input.tokens[s], at = first * input.tokens[s] * width;
    const float *normed = saved[s].normed;
    float *dPart = modulationGradient(s);
    linearBackward(stream.key, to[s].key, normed, dK + begin[s], rows, dNormed, false);
    linearBackward(stream.value, to[s].value, normed, dV + begin[s], rows, dNormed, true);
    if (!stream.isLast()) linearBackward(stream.query, to[s].query, normed, dQ + begin[s], rows, dNormed, true);
    adaLayerNormBackward(input.x[s] + at, modulation(s) + stream.scale(width), dNormed,
                         stream.isLast() ? nullptr : dResidual + begin[s],
                         {problem.dX[s] + at, dPart + stream.shift(width), dPart + stream.scale(width)}, shape(s),
                         input.epsilon);
  }
};

} // namespace

void backward(const JointBlock &block, const BackwardProblem &problem, std::array<StreamGradients, 2> &to) {
  BlockBackward(block, problem, to).run();
}

SIMD_END

} // namespace tempflow::cpu::SIMD
#endif

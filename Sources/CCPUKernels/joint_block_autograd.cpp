// A joint block as one node of autograd.

#include "joint_block.h"

#if defined(__x86_64__)
#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

namespace tempflow::cpu::SIMD {

int64_t JointBlock::savedPerToken(int s) const {
  return streams[s].isLast() ? 3 * width : 9 * width + streams[s].up.outputs();
}

Activations JointBlock::saved(int s, float *memory, int64_t tokens, int64_t first) const {
  const auto part = [&](int64_t index) { return memory + (index * tokens + first) * width; };
  Activations result{.normed = part(0), .k = part(1), .v = part(2)};
  if (streams[s].isLast()) return result;
  result.q = part(3);
  result.attended = part(4);
  result.projected = part(5);
  result.residual = part(6);
  result.secondNormed = part(7);
  result.update = part(8);
  result.hidden = memory + 9 * tokens * width + first * streams[s].up.outputs();
  return result;
}

namespace {

typedef torch::autograd::variable_list Tensors;
using torch::autograd::AutogradContext;

// Weights or their gradients in a fixed order.
template <typename Streams> Tensors leavesOf(Streams &streams) {
  Tensors leaves;
  for (auto &stream : streams) {
    for (auto *layer : stream.layers())
      for (const at::Tensor &tensor : {layer->weight, layer->bias})
        if (tensor.defined()) leaves.push_back(tensor);
    for (const at::Tensor &tensor : {stream.queryNorm, stream.keyNorm})
      if (tensor.defined()) leaves.push_back(tensor);
  }
  return leaves;
}

// Addresses of everything except gradients. `x` holds both streams and the conditioning.
BackwardProblem problemOf(const JointBlock &block, const at::Tensor *x, const at::Tensor &keyBias, double epsilon,
                          const at::Tensor &modulation, const at::Tensor &saved) {
  BackwardProblem problem{{x[0].size(0), {x[0].size(1), x[1].size(1)}, {data(x[0]), data(x[1])}, data(x[2]),
                           data(keyBias), static_cast<float>(epsilon)}};
  float *memory = mutableData(saved);
  const float *parts = data(modulation);
  for (int s = 0; s < 2; ++s) {
    problem.saved[s] = memory;
    problem.modulation[s] = parts;
    memory += problem.input.batch * problem.input.tokens[s] * block.savedPerToken(s);
    parts += problem.input.batch * block.streams[s].parts();
  }
  return problem;
}

// Evaluates the block tile by tile, with all activations in the problem's memory.
void evaluateAndSave(JointBlock &block, const BackwardProblem &problem, float *const *out) {
  const BlockInput &input = problem.input;
  const std::shared_ptr<const PackedBlock> weights = block.packed();
  float *modulation[2];
  for (int s = 0; s < 2; ++s) modulation[s] = const_cast<float *>(problem.modulation[s]);
  block.modulate(*weights, input, modulation);
  thread_local Scratch scratch;
  float *hidden = scratch.reserve(block.hiddenCount(hiddenRows));
  AttentionBuffers head(block.width / block.heads, input.allTokens(), input.keyBias);
  for (int64_t first = 0; first < input.batch; first += input.tile()) {
    Tile tile{.count = std::min(input.tile(), input.batch - first)};
    for (int s = 0; s < 2; ++s) {
      const int64_t at = first * input.tokens[s] * block.width;
      tile.x[s] = input.x[s] + at;
      tile.modulation[s] = modulation[s] + first * block.streams[s].parts();
      tile.out[s] = out[s] ? out[s] + at : nullptr;
      tile.activations[s] =
          block.saved(s, problem.saved[s], input.batch * input.tokens[s], first * input.tokens[s]);
    }
    block.evaluate(*weights, input, tile, head, hidden, true);
  }
}

struct JointBlockFunction : torch::autograd::Function<JointBlockFunction> {
  static Tensors forward(AutogradContext *context, JointBlock *block, const std::optional<at::Tensor> &keyBias,
                         double epsilon, const at::Tensor &first, const at::Tensor &second,
                         const at::Tensor &conditioning, at::TensorList) {
    const at::Tensor x[] = {first, second, conditioning};
    int64_t savedCount = 0;
    for (int s = 0; s < 2; ++s) savedCount += x[s].size(0) * x[s].size(1) * block->savedPerToken(s);
    const at::Tensor saved = at::empty({savedCount}, first.options());
    const at::Tensor modulation = at::empty({block->modulationCount(first.size(0))}, first.options());
    Tensors outputs = {at::empty_like(first)};
    if (!block->streams[1].isLast()) outputs.push_back(at::empty_like(second));
    float *out[2] = {};
    for (size_t s = 0; s < outputs.size(); ++s) out[s] = mutableData(outputs[s]);
    evaluateAndSave(*block, problemOf(*block, x, keyBias.value_or(at::Tensor()), epsilon, modulation, saved), out);
    context->save_for_backward({first, second, conditioning, modulation, saved});
    if (keyBias) context->saved_data["keyBias"] = *keyBias;
    context->saved_data["block"] = c10::IValue::make_capsule(
        c10::intrusive_ptr<torch::CustomClassHolder>::unsafe_reclaim_from_nonowning(block));
    context->saved_data["epsilon"] = epsilon;
    return outputs;
  }

  static Tensors backward(AutogradContext *context, const Tensors &gradients) {
    const auto saved = context->get_saved_variables();
    const auto &block = static_cast<const JointBlock &>(*context->saved_data["block"].toCapsule());
    const auto bias = context->saved_data.find("keyBias");
    BackwardProblem problem = problemOf(block, saved.data(),
                                        bias == context->saved_data.end() ? at::Tensor() : bias->second.toTensor(),
                                        context->saved_data["epsilon"].toDouble(), saved[3], saved[4]);
    std::array<StreamGradients, 2> leaves = {StreamGradients(block.streams[0]), StreamGradients(block.streams[1])};
    Tensors arrived, results = {at::Tensor(), at::Tensor(), at::Tensor()};
    for (const at::Tensor &gradient : gradients) arrived.push_back(gradient.contiguous());
    for (int i = 0; i < 3; ++i) results.push_back(at::empty_like(saved[i]));
    for (int s = 0; s < 2; ++s) {
      problem.dOut[s] = s < static_cast<int>(arrived.size()) ? data(arrived[s]) : nullptr;
      problem.dX[s] = mutableData(results[3 + s]);
    }
    problem.dConditioning = mutableData(results[5]);
    SIMD::backward(block, problem, leaves);
    for (const at::Tensor &gradient : leavesOf(leaves)) results.push_back(gradient);
    return results;
  }
};

} // namespace

std::array<at::Tensor, 2> record(JointBlock *block, const std::array<at::Tensor, 3> &inputs, const at::Tensor &keyBias,
                                 double epsilon) {
  const Tensors leaves = leavesOf(block->streams);
  const Tensors out =
      JointBlockFunction::apply(block, keyBias.defined() ? std::optional(keyBias) : std::nullopt, epsilon, inputs[0],
                                inputs[1], inputs[2], at::TensorList(leaves));
  return {out[0], out.size() > 1 ? out[1] : at::Tensor()};
}

} // namespace tempflow::cpu::SIMD
#endif

#include "sweep_cases.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/tensor.h>

using torch::jit::Stack;
using Ints = std::vector<int64_t>;
using Doubles = std::vector<double>;

namespace {

const std::vector<c10::ScalarType> allTypes = {c10::kFloat, c10::kBFloat16, c10::kHalf};
const c10::IValue none;

// [B, H, S, D] = [2, 2, 5, 8] queries, [2, 2, T, 8] keys and values.
Stack attention(Inputs &in, int64_t keys, c10::IValue mask, bool isCausal) {
  return {in.numbers({2, 2, 5, 8}), in.numbers({2, 2, keys, 8}), in.numbers({2, 2, keys, 8}), mask, 0.0, isCausal};
}

// Added to the scores, without a gradient.
at::Tensor bias(Inputs &in) { return in.numbers({2, 1, 5, 7}).detach(); }

const std::vector<Case> table = {
    // Creation
    {"aten::empty.memory_format", [](Inputs &) { return Stack{Ints{2, 3}}; }},
    {"aten::zeros", [](Inputs &) { return Stack{Ints{2, 3}}; }},
    {"aten::ones", [](Inputs &) { return Stack{Ints{2, 3}}; }},
    {"aten::full", [](Inputs &) { return Stack{Ints{2, 3}, 1.5}; }},
    {"aten::arange", [](Inputs &) { return Stack{6.0}; }},
    {"aten::randn.generator", [](Inputs &) { return Stack{Ints{4, 5}}; }},
    {"aten::rand.generator", [](Inputs &) { return Stack{Ints{4, 5}}; }},
    {"aten::randint.low_generator", [](Inputs &) { return Stack{2, 9, Ints{4, 5}}; }},
    // Conversion
    {"aten::to.dtype", [](Inputs &in) { return Stack{in.numbers({4, 4}), int64_t(c10::kBFloat16)}; }},
    {"aten::to.dtype", [](Inputs &in) { return Stack{in.numbers({4, 4}), int64_t(c10::kFloat)}; }, allTypes},
    {"aten::to.device", [](Inputs &in) { return Stack{in.numbers({4, 4}), in.device, int64_t(c10::kHalf)}; }},
    {"aten::contiguous", [](Inputs &in) { return Stack{in.numbers({4, 3}).t()}; }},
    // Arithmetic and comparison
    {"aten::clamp", [](Inputs &in) { return Stack{in.numbers({4, 4}), 0.3, 0.8}; }},
    {"aten::mul.Tensor", [](Inputs &in) { return Stack{in.numbers({4, 4}), in.numbers({4, 1})}; }, allTypes},
    {"aten::where.self",
     [](Inputs &in) { return Stack{in.mask({4, 4}), in.numbers({4, 4}), in.numbers({4, 1})}; }},
    // Shape
    {"aten::reshape", [](Inputs &in) { return Stack{in.numbers({4, 4}), Ints{2, 8}}; }},
    {"aten::reshape", [](Inputs &in) { return Stack{in.numbers({4, 4}).t(), Ints{2, 8}}; }},
    {"aten::view.dtype", [](Inputs &in) { return Stack{in.indices({3, 1}, {2}), int64_t(c10::kByte)}; }},
    {"aten::permute", [](Inputs &in) { return Stack{in.numbers({2, 3, 4}), Ints{2, 0, 1}}; }},
    {"aten::transpose.int", [](Inputs &in) { return Stack{in.numbers({2, 3, 4}), 0, 2}; }},
    {"aten::unsqueeze", [](Inputs &in) { return Stack{in.numbers({4, 4}), 1}; }},
    {"aten::squeeze.dim", [](Inputs &in) { return Stack{in.numbers({4, 1}), 1}; }},
    {"aten::expand", [](Inputs &in) { return Stack{in.numbers({1, 4}), Ints{3, 4}}; }},
    {"aten::narrow", [](Inputs &in) { return Stack{in.numbers({4, 4}), 1, 1, 2}; }},
    {"aten::select.int", [](Inputs &in) { return Stack{in.numbers({4, 4}), 0, 2}; }},
    {"aten::index_select",
     [](Inputs &in) { return Stack{in.numbers({4, 4}), 1, in.indices({3, 1, 3}, {3})}; }},
    {"aten::chunk", [](Inputs &in) { return Stack{in.numbers({4, 6}), 3, 1}; }},
    {"aten::split_with_sizes", [](Inputs &in) { return Stack{in.numbers({4, 4}), Ints{1, 3}}; }},
    {"aten::repeat_interleave.self_int", [](Inputs &in) { return Stack{in.numbers({4, 4}), 2, 1}; }},
    {"aten::repeat", [](Inputs &in) { return Stack{in.numbers({4, 4}), Ints{2, 1}}; }},
    {"aten::roll", [](Inputs &in) { return Stack{in.numbers({4, 4}), Ints{1}, Ints{1}}; }},
    {"aten::pad", [](Inputs &in) { return Stack{in.numbers({4, 4}), Ints{1, 2}}; }},
    // Reduction
    {"aten::sum.dim_IntList", [](Inputs &in) { return Stack{in.numbers({4, 4}), Ints{1}, true}; }, allTypes},
    {"aten::mean.dim", [](Inputs &in) { return Stack{in.numbers({4, 4}), Ints{0}}; }, allTypes},
    {"aten::amax", [](Inputs &in) { return Stack{in.numbers({4, 4}), Ints{1}}; }},
    {"aten::amin", [](Inputs &in) { return Stack{in.numbers({4, 4}), Ints{1}}; }},
    {"aten::linalg_vector_norm", [](Inputs &in) { return Stack{in.numbers({4, 4}), 2.0, Ints{1}}; }, allTypes},
    {"aten::all", [](Inputs &in) { return Stack{in.mask({4, 4})}; }},
    {"aten::any", [](Inputs &in) { return Stack{in.mask({4, 4})}; }},
    // Networks
    {"aten::linear",
     [](Inputs &in) { return Stack{in.numbers({2, 3, 4}), in.numbers({5, 4}), in.numbers({5})}; }, allTypes},
    {"aten::linear", [](Inputs &in) { return Stack{in.numbers({2, 3, 4}), in.numbers({5, 4})}; }, allTypes},
    {"aten::linear", [](Inputs &in) { return Stack{in.numbers({3, 4}), in.numbers({5, 4}), in.numbers({5})}; }},
    {"aten::matmul", [](Inputs &in) { return Stack{in.numbers({2, 3, 4}), in.numbers({2, 4, 5})}; }, allTypes},
    {"aten::conv2d",
     [](Inputs &in) {
       return Stack{in.numbers({2, 3, 6, 6}), in.numbers({4, 3, 3, 3}), in.numbers({4}), Ints{2, 2}, Ints{1, 1}};
     },
     allTypes},
    {"aten::conv2d", [](Inputs &in) { return Stack{in.numbers({1, 4, 3, 3}), in.numbers({2, 4, 1, 1})}; }},
    {"aten::conv3d",
     [](Inputs &in) {
       return Stack{in.numbers({2, 3, 3, 4, 4}), in.numbers({4, 3, 3, 3, 3}), in.numbers({4}), Ints{2, 1, 1},
                    Ints{0, 1, 1}};
     },
     allTypes},
    {"aten::layer_norm",
     [](Inputs &in) { return Stack{in.numbers({2, 3, 4}), Ints{4}, in.numbers({4}), in.numbers({4}), 1e-6}; },
     allTypes},
    {"aten::layer_norm", [](Inputs &in) { return Stack{in.numbers({2, 3, 4}), Ints{4}}; }, allTypes},
    {"aten::group_norm",
     [](Inputs &in) { return Stack{in.numbers({2, 4, 3, 3}), 2, in.numbers({4}), in.numbers({4}), 1e-6}; }, allTypes},
    {"aten::rms_norm",
     [](Inputs &in) { return Stack{in.numbers({2, 3, 4}), Ints{4}, in.numbers({4}), 1e-6}; }, allTypes},
    {"aten::rms_norm", [](Inputs &in) { return Stack{in.numbers({2, 3, 4}), Ints{4}, none, 1e-6}; }},
    {"aten::silu", [](Inputs &in) { return Stack{in.numbers({4, 4})}; }, allTypes},
    {"aten::gelu", [](Inputs &in) { return Stack{in.numbers({4, 4}), "tanh"}; }, allTypes},
    {"aten::gelu", [](Inputs &in) { return Stack{in.numbers({4, 4})}; }},
    {"aten::softmax.int", [](Inputs &in) { return Stack{in.numbers({4, 4}), -1}; }, allTypes},
    {"aten::softmax.int", [](Inputs &in) { return Stack{in.numbers({4, 4}), -1, int64_t(c10::kFloat)}; }, allTypes},
    {"aten::embedding", [](Inputs &in) { return Stack{in.numbers({6, 4}), in.indices({1, 5, 1}, {1, 3})}; }, allTypes},
    {"aten::scaled_dot_product_attention", [](Inputs &in) { return attention(in, 5, none, false); }, allTypes},
    {"aten::scaled_dot_product_attention", [](Inputs &in) { return attention(in, 7, none, false); }, allTypes},
    {"aten::scaled_dot_product_attention", [](Inputs &in) { return attention(in, 5, none, true); }, allTypes},
    {"aten::scaled_dot_product_attention", [](Inputs &in) { return attention(in, 7, bias(in), false); }, allTypes},
    {"aten::scaled_dot_product_attention", [](Inputs &in) { return attention(in, 7, in.mask({5, 7}), false); },
     allTypes},
    // A mask with a gradient takes the products apart.
    {"aten::scaled_dot_product_attention", [](Inputs &in) { return attention(in, 7, in.numbers({5, 7}), false); }},
    {"aten::upsample_nearest2d.vec",
     [](Inputs &in) { return Stack{in.numbers({1, 2, 3, 3}), none, Doubles{2, 2}}; }, allTypes},
    // In place
    {"aten::addmm_",
     [](Inputs &in) { return Stack{in.numbers({4, 4}), in.numbers({4, 2}), in.numbers({2, 4})}; }, allTypes},
    {"aten::copy_", [](Inputs &in) { return Stack{in.numbers({4, 4}), in.numbers({4, 1})}; }},
    {"aten::clamp_", [](Inputs &in) { return Stack{in.numbers({4, 4}), 0.3, 0.8}; }},
    // Lists
    {"aten::_foreach_mul_.Tensor", [](Inputs &in) { return Stack{in.list({{4, 4}, {3}}), in.number()}; }},
    {"aten::_fused_adamw_",
     [](Inputs &in) {
       const std::vector<Ints> sizes = {{3}, {2, 2}};
       Stack lists = {in.list(sizes), in.list(sizes), in.list(sizes), in.list(sizes), in.list({}), in.list({{}, {}})};
       for (const c10::IValue &value : Stack{0.1, 0.9, 0.99, 0.1, 1e-8, false, false}) lists.push_back(value);
       return lists;
     }},
};

// The arguments that `table` or the schema do not give.
c10::IValue guessed(const c10::Argument &argument, Inputs &in) {
  const std::string type = argument.type()->repr_str();
  if (type == "Device?" || type == "Optional[Device]" || argument.name() == "device") return in.device;
  if (type.find("Generator") != std::string::npos) return in.generator();
  if (argument.default_value()) return *argument.default_value();
  switch (argument.type()->kind()) {
  case c10::TypeKind::TensorType: return in.numbers({4, 4});
  case c10::TypeKind::NumberType:
  case c10::TypeKind::FloatType: return 0.5;
  case c10::TypeKind::ListType:
    if (argument.type()->isSubtypeOf(*c10::ListType::ofTensors())) return in.list({{4, 4}, {4, 4}});
    [[fallthrough]];
  default: TORCH_CHECK(false, "no value for its argument ", argument.name(), " of type ", type, " is in the table");
  }
}

} // namespace

at::Tensor Inputs::uniform(const Ints &size) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(++drawn);
  return at::rand(size, generator);
}

at::Tensor Inputs::numbers(Ints size) {
  const at::Tensor tensor = (uniform(size) + 0.1).to(type).to(device);
  if (!recordsGradients) return tensor;
  leaves.push_back(tensor.requires_grad_());
  // Operators in place cannot change a variable itself.
  return tensor.clone();
}

at::Tensor Inputs::number() { return (uniform({}) + 1).to(type).to(device); }

at::Tensor Inputs::indices(const Ints &values, Ints size) {
  return at::tensor(values, c10::kLong).view(size).to(device);
}

at::Tensor Inputs::mask(Ints size) {
  at::Tensor mask = uniform(size) > 0.3;
  mask.select(-1, 0).fill_(true);
  return mask.to(device);
}

c10::IValue Inputs::list(const std::vector<Ints> &sizes) {
  c10::List<at::Tensor> list;
  for (const Ints &size : sizes) list.push_back(numbers(size));
  return list;
}

at::Generator Inputs::generator() const {
  at::Generator generator = device.is_cpu() ? at::make_generator<at::CPUGeneratorImpl>()
                                            : at::detail::getCUDAHooks().getNewGenerator(device.index());
  generator.set_current_seed(5);
  return generator;
}

std::vector<Case> casesOf(const std::string &op) {
  std::vector<Case> cases;
  std::copy_if(table.begin(), table.end(), std::back_inserter(cases), [&](const Case &test) { return test.op == op; });
  if (cases.empty()) cases.push_back({op, [](Inputs &) { return Stack(); }});
  return cases;
}

Stack arguments(const Case &test, const c10::FunctionSchema &schema, Inputs &in) {
  Stack stack = test.make(in);
  while (stack.size() < schema.arguments().size()) stack.push_back(guessed(schema.arguments()[stack.size()], in));
  schema.checkAndNormalizeInputs(stack);
  return stack;
}

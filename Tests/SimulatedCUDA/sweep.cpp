// Calls operators on the CPU and on the simulated devices, as the product calls them, and compares results and
// gradients. Reads names such as "aten::add.Tensor" from standard input, prints a line for each, and exits with 1 if
// one fails.
#include "loaded_library.h"
#include "sweep_cases.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/linspace.h>
#include <iostream>
#include <set>
#include <torch/csrc/autograd/autograd.h>

namespace {

using torch::jit::Stack;

const c10::Device host(c10::kCPU);
// Operators that libtorch has no derivatives of although their arguments may have gradients.
const std::set<std::string> withoutGradient = {"aten::_fused_adamw_", "aten::_foreach_copy_"};

std::vector<at::Tensor> tensorsOf(const c10::IValue &value) {
  if (value.isTensor()) return {value.toTensor()};
  return value.isTensorList() ? value.toTensorVector() : std::vector<at::Tensor>();
}

std::string describe(const at::Tensor &tensor) {
  return c10::str(tensor.toString(), tensor.sizes(), " on ", tensor.device());
}

class Sweep {
public:
  explicit Sweep(LoadedLibrary &library) : library(library) {}

  // Prints the operator's line; false if it failed.
  bool run(const std::string &name) {
    bool hasGradient = false;
    std::string place;
    try {
      const size_t dot = name.find('.');
      const auto op = c10::Dispatcher::singleton().findSchemaOrThrow(
          name.substr(0, dot).c_str(), dot == std::string::npos ? "" : name.substr(dot + 1).c_str());
      size_t number = 0;
      for (const Case &test : casesOf(name)) {
        ++number;
        for (const c10::ScalarType type : test.types) {
          place = c10::str(" (case ", number, ", ", c10::toString(type), ")");
          compareResults(op, test, type);
          hasGradient |= compareGradients(op, test, type);
        }
      }
    } catch (const c10::Error &error) {
      library.forbid_waits(false);
      const std::string message = error.what_without_backtrace();
      std::cout << "FAIL " << name << ": " << message.substr(0, message.find('\n')) << place << std::endl;
      return false;
    }
    std::cout << (hasGradient ? "ok-with-gradient " : "ok ") << name << std::endl;
    return true;
  }

private:
  LoadedLibrary &library;

  // Results and the arguments that the operator changed.
  std::vector<at::Tensor> call(const c10::OperatorHandle &op, const Case &test, Inputs &in) {
    Stack stack = arguments(test, op.schema(), in);
    std::vector<at::Tensor> outputs;
    for (size_t i = 0; i < stack.size(); ++i) {
      const auto *alias = op.schema().arguments()[i].alias_info();
      if (!alias || !alias->isWrite()) continue;
      for (const at::Tensor &tensor : tensorsOf(stack[i])) outputs.push_back(tensor);
    }
    withoutWaits(in.device, [&] { op.callBoxed(stack); });
    for (const c10::IValue &value : stack)
      for (const at::Tensor &tensor : tensorsOf(value)) outputs.push_back(tensor);
    return outputs;
  }

  template <typename Body> void withoutWaits(c10::Device device, Body body) {
    library.forbid_waits(device.is_cuda());
    body();
    library.forbid_waits(false);
  }

  void compareResults(const c10::OperatorHandle &op, const Case &test, c10::ScalarType type) {
    Inputs in(host, type, false);
    const std::vector<at::Tensor> expected = call(op, test, in);
    for (const c10::DeviceIndex index : {0, 1}) {
      Inputs in({c10::kCUDA, index}, type, false);
      const std::vector<at::Tensor> found = call(op, test, in);
      const bool isWritten = test.op.find("::empty") == std::string::npos;
      compare("result", found, expected, in.device, isWritten);
    }
  }

  // False if the operator has no gradient.
  bool compareGradients(const c10::OperatorHandle &op, const Case &test, c10::ScalarType type) {
    if (withoutGradient.contains(test.op)) return false;
    Inputs onHost(host, type, true), onDevice({c10::kCUDA, 0}, type, true);
    const std::vector<at::Tensor> expected = gradients(op, test, onHost);
    if (expected.empty()) return false;
    compare("gradient", gradients(op, test, onDevice), expected, onDevice.device, true);
    return true;
  }

  std::vector<at::Tensor> gradients(const c10::OperatorHandle &op, const Case &test, Inputs &in) {
    std::vector<at::Tensor> outputs, directions, result;
    for (const at::Tensor &output : call(op, test, in)) {
      if (!output.requires_grad()) continue;
      outputs.push_back(output);
      directions.push_back(
          at::linspace(0.5, 1.5, output.numel()).view(output.sizes()).to(output.scalar_type()).to(output.device()));
    }
    if (outputs.empty() || in.leaves.empty()) return {};
    withoutWaits(in.device, [&] {
      result = torch::autograd::grad(outputs, in.leaves, directions, false, false, /* allow_unused: */ true);
    });
    return result;
  }

  static void compare(const char *kind, const std::vector<at::Tensor> &found, const std::vector<at::Tensor> &expected,
                      c10::Device device, bool isWritten) {
    TORCH_CHECK(found.size() == expected.size(), found.size(), " ", kind, "s instead of ", expected.size());
    for (size_t i = 0; i < found.size(); ++i) {
      TORCH_CHECK(found[i].defined() == expected[i].defined(), kind, " ", i, " exists on one device only");
      if (!found[i].defined()) continue;
      TORCH_CHECK(found[i].device() == device && found[i].sizes() == expected[i].sizes() &&
                      found[i].scalar_type() == expected[i].scalar_type(),
                  kind, " ", i, " is ", describe(found[i]), " instead of ", describe(expected[i]), " for ", device);
      if (!isWritten || found[i].numel() == 0) continue;
      const double scale = std::max(1.0, expected[i].detach().to(c10::kDouble).abs().max().item<double>());
      const double error =
          (found[i].detach().cpu().to(c10::kDouble) - expected[i].detach().to(c10::kDouble)).abs().max().item<double>();
      TORCH_CHECK(error <= scale * tolerance(found[i].scalar_type()), kind, " ", i, " on ", device, " differs by ",
                  error, " of ", scale);
    }
  }

  // The same kernels compute both, but for RMS norm's gradient and attention taken apart.
  static double tolerance(c10::ScalarType type) {
    if (type == c10::kBFloat16) return 0x1p-7;
    if (type == c10::kHalf) return 0x1p-10;
    return 1e-6;
  }
};

} // namespace

int main() {
  LoadedLibrary library;
  Sweep sweep(library);
  bool isPassing = true;
  for (std::string name; std::getline(std::cin, name);)
    if (!name.empty()) isPassing &= sweep.run(name);
  return !isPassing;
}

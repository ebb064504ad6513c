// Finds by the dispatcher which operators the real libtorch_cuda.so has kernels for, without a GPU. Reads names such as
// "aten::add.Tensor" from standard input, prints a line for each, and exits with 1 if one has none, with 77 if this
// libtorch has no CUDA half.
#include "real_library.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include <iostream>

namespace {

using c10::DispatchKey;

// A structured operator has a composite for every backend, CompositeExplicitAutogradNonFunctional, that calls a kernel
// which need not exist.
bool runsOnCUDA(const c10::OperatorHandle &op) {
  return op.hasKernelForDispatchKey(DispatchKey::CUDA) ||
         op.hasKernelForDispatchKey(DispatchKey::CompositeExplicitAutograd) ||
         op.hasKernelForDispatchKey(DispatchKey::CompositeImplicitAutograd);
}

// Why an operator does not run; empty if it does.
std::string failure(const std::string &name) {
  const size_t dot = name.find('.');
  const auto op = c10::Dispatcher::singleton().findSchema(
      {name.substr(0, dot), dot == std::string::npos ? "" : name.substr(dot + 1)});
  if (!op) return "libtorch has no operator of this name";
  return runsOnCUDA(*op) ? "" : "no kernel for CUDA and no composite";
}

} // namespace

int main() {
  if (!std::filesystem::exists(real_library::path())) {
    std::cout << "this libtorch has no CUDA half: " << real_library::path().string() << " does not exist" << std::endl;
    return 77;
  }
  const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  if (const std::string reason = real_library::load(folder / "real"); !reason.empty()) {
    std::cout << "FAIL loading: " << reason << std::endl;
    return 1;
  }
  bool isPassing = true;
  for (std::string name; std::getline(std::cin, name);) {
    if (name.empty()) continue;
    const std::string reason = failure(name);
    std::cout << (reason.empty() ? "ok " + name : "FAIL " + name + ": " + reason) << std::endl;
    isPassing &= reason.empty();
  }
  return !isPassing;
}

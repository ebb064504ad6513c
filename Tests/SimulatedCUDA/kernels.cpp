// Finds by the dispatcher which operators the real libtorch_cuda.so has kernels for. That needs no GPU and no driver:
// libraries that the wheel's CUDA half links to and that are not installed are replaced by empty ones, and no function
// of theirs is called. Reads names such as "aten::add.Tensor" from standard input, prints a line for each, and exits
// with 1 if one has none, with 77 if this libtorch has no CUDA half.
#include <ATen/core/dispatch/Dispatcher.h>

#include <dlfcn.h>
#include <filesystem>
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

// From the folder `real` beside this program. Libraries that need one of these names then take what is loaded.
void loadEmptyLibraries() {
  const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "real";
  for (const auto &entry : std::filesystem::directory_iterator(folder))
    if (entry.path().filename().string().find(".so") != std::string::npos &&
        !dlopen(entry.path().c_str(), RTLD_LAZY | RTLD_GLOBAL))
      std::cout << dlerror() << std::endl;
}

} // namespace

int main() {
  const std::filesystem::path torch = TORCH_FOLDER;
  const auto library = torch / "lib" / "libtorch_cuda.so";
  if (!std::filesystem::exists(library)) {
    std::cout << "this libtorch has no CUDA half: " << library.string() << " does not exist" << std::endl;
    return 77;
  }
  loadEmptyLibraries();
  if (!dlopen(library.c_str(), RTLD_LAZY | RTLD_GLOBAL)) {
    std::cout << "FAIL loading: " << dlerror() << std::endl;
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

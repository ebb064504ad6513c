// Checks that need a process of their own.
#include "device_checks.h"

#include <ATen/ATen.h>

#include <fstream>
#include <sstream>
#include <thread>

using at::Tensor;

namespace {

void backward(const at::TensorOptions &options) {
  at::ones({2}, options).requires_grad_().square().sum().backward();
}

// A process whose first backward pass came before the library was loaded.
int runLate() {
  backward({});
  LoadedLibrary library;
  check("a backward pass before the library is loaded leaves the process without devices, as with CUDA", [] {
    // In a thread of its own: a pass that fails leaves libtorch's state of the thread unusable.
    std::exception_ptr error;
    std::thread([&] {
      try {
        expectError("", [] { backward(cuda()); });
      } catch (...) {
        error = std::current_exception();
      }
    }).join();
    if (error) std::rethrow_exception(error);
  });
  check("attached late, the devices run backward passes", [&] {
    library.attach_late();
    for (const at::TensorOptions &options : {cuda(), cuda(1), at::TensorOptions()}) backward(options);
  });
  return !isPassing;
}

// Ends while tensors live and another thread is in the middle of something.
[[noreturn]] void exitAmidWork() {
  LoadedLibrary library;
  const Tensor x = at::ones({1000}, cuda(1));
  (void)x.sum().item();
  std::thread([] { std::exit(0); }).join();
  std::abort();
}

int runWithLittleMemory() {
  LoadedLibrary library;
  try {
    (void)at::empty({1 << 20}, cuda());
  } catch (const c10::OutOfMemoryError &) {
    return 0;
  }
  return 1;
}

} // namespace

int runProcess(const std::string &mode) {
  if (mode == "late") return runLate();
  if (mode == "memory") return runWithLittleMemory();
  if (mode == "exit") exitAmidWork();
  return 2;
}

void checkProcesses(const std::string &program) {
  const auto run = [&](const std::string &environment, const std::string &mode) {
    return std::system((environment + " '" + program + "' " + mode).c_str());
  };
  isPassing &= run("", "late") == 0;
  check("SIMULATED_CUDA_MEMORY limits a process's devices",
        [&] { TORCH_CHECK(run("SIMULATED_CUDA_MEMORY=1000000", "memory") == 0); });
  check("a process that exits amid work leaves its report", [&] {
    char folder[] = "/tmp/simulated-cuda-XXXXXX";
    TORCH_CHECK(mkdtemp(folder));
    const std::string path = std::string(folder) + "/report.json";
    const int status = run("SIMULATED_CUDA_REPORT=" + path, "exit");
    std::stringstream report;
    report << std::ifstream(path).rdbuf();
    std::remove(path.c_str());
    std::remove(folder);
    TORCH_CHECK(status == 0, "exit status ", status);
    const std::string expected =
        R"({"kernels": 2, "waits": 1, "uploads": 0, "cache_releases": 0, "peak_bytes": [0, 4608], )"
        R"("waits_by": {"item": 1}, "operators": ["aten::fill_.Scalar", "aten::sum.dim_IntList"]})";
    TORCH_CHECK(report.str() == expected + "\n", report.str(), "instead of\n", expected);
  });
}

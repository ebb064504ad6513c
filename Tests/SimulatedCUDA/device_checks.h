// What the checks of the simulated devices share. A check prints a line, "ok NAME" or "FAIL NAME: reason".
#pragma once

#include "loaded_library.h"

#include <ATen/core/Tensor.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/ops/allclose.h>

// Whether every check passed so far.
inline bool isPassing = true;

template <typename Body> void check(const std::string &name, Body body) {
  std::string reason;
  try {
    body();
  } catch (const c10::Error &error) {
    reason = ": " + std::string(error.what_without_backtrace());
  } catch (const std::exception &error) {
    reason = ": " + std::string(error.what());
  }
  isPassing &= reason.empty();
  std::printf("%s %s%s\n", reason.empty() ? "ok" : "FAIL", name.c_str(), reason.c_str());
  std::fflush(stdout);
}

// Throws unless `body` throws an `Error` whose message contains `part`.
template <typename Error = c10::Error, typename Body> void expectError(const std::string &part, Body body) {
  std::string message = "no error";
  try {
    body();
  } catch (const Error &error) {
    message = error.what_without_backtrace();
    if (message.find(part) != std::string::npos) return;
  }
  TORCH_CHECK(false, message, "; expected: ", part);
}

inline void expectNear(const at::Tensor &found, const at::Tensor &expected, double tolerance = 0) {
  const at::Tensor a = found.detach().cpu().to(at::kDouble), b = expected.detach().cpu().to(at::kDouble);
  TORCH_CHECK(a.sizes() == b.sizes(), "sizes ", a.sizes(), " instead of ", b.sizes());
  TORCH_CHECK(at::allclose(a, b, tolerance, tolerance), "differs by ", a.sub(b).abs().max().item<double>());
}

inline at::TensorOptions cuda(int index = 0) { return at::TensorOptions().device(c10::Device(c10::kCUDA, index)); }

inline at::Tensor onCUDA(const at::Tensor &tensor, int index = 0) { return tensor.to(cuda(index).device()); }

inline at::Generator generator(uint64_t seed, int index = 0) {
  at::Generator generator = at::detail::getCUDAHooks().getNewGenerator(index);
  generator.set_current_seed(seed);
  return generator;
}

// Counted waits, uploads and kernels; bytes and limits.
void checkWaits(LoadedLibrary &library);
void checkMemory(LoadedLibrary &library);

// Checks that need a process of their own. `program` is this one; with `mode` it runs one of them and ends.
void checkProcesses(const std::string &program);
int runProcess(const std::string &mode);

// The error of the last call on this thread, for C++ targets over this shim.
#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <string>

struct Failure {
  std::string message;
  // Whether a device or the host was out of memory.
  bool isOutOfMemory = false;

  // Sets the message; the text also identifies out-of-memory errors of libraries beside the allocator.
  void describe(const char *text) {
    message = text;
    isOutOfMemory = false;
    for (const char *sign : {"can't allocate memory", "not enough memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED",
                             "CUDNN_STATUS_ALLOC_FAILED", "ALLOCATION_FAILED"})
      if (message.find(sign) != std::string::npos) isOutOfMemory = true;
    if (isOutOfMemory) return;
    // libtorch tries cuDNN's engines one after the other and drops why each failed; a library that is not initialized
    // had no memory for its handle, as a rule.
    for (const char *sign : {"unable to find an engine to execute this computation", "CUBLAS_STATUS_NOT_INITIALIZED",
                             "CUDNN_STATUS_NOT_INITIALIZED"})
      if (message.find(sign) != std::string::npos) {
        isOutOfMemory = true;
        message += " (as a rule the memory; with small batches as well, CUDA's libraries do not fit together)";
      }
  }
};
inline thread_local Failure failure;

// Runs `body`; false, with `failure` set, when it throws.
template <typename Body> bool guarded(Body &&body) {
  try {
    body();
    return true;
  } catch (const c10::Error &error) {
    failure.describe(error.what_without_backtrace());
    if (dynamic_cast<const c10::OutOfMemoryError *>(&error)) failure.isOutOfMemory = true;
  } catch (const std::bad_alloc &error) {
    failure = {error.what(), true};
  } catch (const std::exception &error) {
    failure.describe(error.what());
  } catch (...) {
    failure = {"unknown C++ exception", false};
  }
  return false;
}

// A range, spread over the threads of libtorch's operators. ATen's `parallel_for` is no such thing here: it is serial in
// files that are not compiled for OpenMP, for which Swift's compiler has no library.
#pragma once

#include <cstdint>

void runInParallel(int64_t count, int64_t grain, void (*body)(const void *context, int64_t begin, int64_t end),
                   const void *context);

// Calls `body(begin, end)` for parts of 0..<count, each of at least `grain` but for the last; it must not throw.
template <typename Body> void inParallel(int64_t count, int64_t grain, const Body &body) {
  runInParallel(
      count, grain,
      [](const void *context, int64_t begin, int64_t end) { (*static_cast<const Body *>(context))(begin, end); }, &body);
}

#include "parallel.h"
#include "operator_threads.h"

#include <algorithm>
#include <atomic>

// What a compiler calls for `#pragma omp parallel`. libtorch brings the library, GCC's or LLVM's; both have it.
extern "C" __attribute__((weak)) void GOMP_parallel(void (*body)(void *), void *context, unsigned threads, unsigned flags);

namespace {

struct Work {
  void (*body)(const void *, int64_t, int64_t);
  const void *context;
  int64_t count, part;
  std::atomic<int64_t> next = 0;
};

void takeParts(void *pointer) {
  Work &work = *static_cast<Work *>(pointer);
  const ParallelRegion region;
  for (int64_t begin; (begin = work.next.fetch_add(work.part)) < work.count;)
    work.body(work.context, begin, std::min(begin + work.part, work.count));
}

} // namespace

void runInParallel(int64_t count, int64_t grain, void (*body)(const void *context, int64_t begin, int64_t end),
                   const void *context) {
  if (count <= 0) return;
  const int64_t threads = isInParallelRegion() || !GOMP_parallel ? 1 : operatorThreadCount();
  const int64_t parts = std::clamp<int64_t>((count + grain - 1) / grain, 1, threads);
  if (parts == 1) return body(context, 0, count);
  Work work{body, context, count, (count + parts - 1) / parts};
  // 0: as many threads as libtorch has set for this one.
  GOMP_parallel(takeParts, &work, 0, 0);
}

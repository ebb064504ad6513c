#pragma once

#include <atomic>
#include <cstdint>

// A number for the scope that spreads rows over threads, another one for each. Weights do not change inside.
int64_t rowScope();

// What a thread computes in steps that any thread may take, in any order.
class Steps {
public:
  explicit Steps(int64_t count) : count(count) {}

  // The next one that nobody has; -1 when there is none.
  int64_t next() {
    const int64_t step = taken.fetch_add(1, std::memory_order_relaxed);
    return step < count ? step : -1;
  }
  bool areTaken() const { return taken.load(std::memory_order_relaxed) >= count; }

private:
  const int64_t count;
  std::atomic<int64_t> taken = 0;
};

void shareSteps(Steps &steps, void (*body)(const void *context, Steps &steps), const void *context);

// Calls `body(steps)` on this thread, which takes `count` steps until there are no more, and, where rows are spread
// over threads, on others that have done their own rows meanwhile: a core that is slow, or has to do something else,
// does not make them wait. Returns when all steps are done. What `body` throws on this thread ends the call, once no
// other thread is inside; what it throws on another one ends the process.
template <typename Body> void share(int64_t count, const Body &body) {
  Steps steps(count);
  shareSteps(
      steps, [](const void *context, Steps &steps) { (*static_cast<const Body *>(context))(steps); }, &body);
}

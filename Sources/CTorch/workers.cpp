#include "ctorch.h"

#include <ATen/Parallel.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace {

// Threads that rows may be spread over on this thread; 0 outside the scope that spreads them.
thread_local int32_t row_threads = 0;

// One thread that runs a piece of work at a time, with operators that use this thread alone.
class Worker {
public:
  Worker() : thread([this] { serve(); }) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return ready; });
  }

  void start(void (*body)(void *, int32_t), void *context, int32_t index) {
    std::unique_lock lock(mutex);
    this->body = body;
    this->context = context;
    this->index = index;
    changed.notify_all();
  }

  void wait() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return body == nullptr; });
  }

private:
  std::mutex mutex;
  std::condition_variable changed;
  void (*body)(void *, int32_t) = nullptr;
  void *context = nullptr;
  int32_t index = 0;
  bool ready = false;
  std::thread thread;

  void serve() {
    at::set_num_threads(1);
    row_threads = 1;
    std::unique_lock lock(mutex);
    ready = true;
    changed.notify_all();
    for (;;) {
      changed.wait(lock, [this] { return body != nullptr; });
      lock.unlock();
      body(context, index);
      lock.lock();
      body = nullptr;
      changed.notify_all();
    }
  }
};

std::mutex busy;
// Never destroyed: the threads wait for work until the process ends.
std::vector<Worker *> &workers = *new std::vector<Worker *>;

} // namespace

int32_t ctorch_row_thread_count(void) { return row_threads; }
void ctorch_set_row_thread_count(int32_t count) { row_threads = count; }

void ctorch_concurrently(int32_t count, void (*body)(void *context, int32_t index), void *context) {
  std::unique_lock lock(busy);
  const int threads = at::get_num_threads();
  const int32_t rows = std::exchange(row_threads, 1);
  while (static_cast<int32_t>(workers.size()) < count - 1) workers.push_back(new Worker);
  // A thread's own setting; the default for new threads is the last one made.
  at::set_num_threads(1);
  for (int32_t index = 1; index < count; ++index) workers[index - 1]->start(body, context, index);
  body(context, 0);
  for (int32_t index = 1; index < count; ++index) workers[index - 1]->wait();
  at::set_num_threads(threads);
  row_threads = rows;
}

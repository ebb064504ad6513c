// Threads that each compute some rows of a batch. Tests/ThreadStress runs this file under ThreadSanitizer.

#include "row_threads.h"
#include "operator_threads.h"
#include "row_scope.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace {

// Number of threads for rows on this thread; 0 outside a scope that spreads rows.
thread_local int32_t row_threads = 0;
// Whether this thread records gradients of rows that are spread over threads.
thread_local bool records_rows = false;
// Number of such scopes and of recording calls so far.
std::atomic<int64_t> scopes = 0;

// One part of a call of `row_threads_run`.
struct Part {
  void (*body)(void *, int32_t);
  void *context;
  int32_t index;
  bool records;
  // The value of `row_threads` inside the part.
  int32_t rows;
};

void run(const Part &part) {
  std::optional<WithoutAutograd> guard;
  if (!part.records) guard.emplace();
  const bool before = recordsGradients();
  setRecordsGradients(part.records);
  records_rows = part.records;
  part.body(part.context, part.index);
  records_rows = false;
  setRecordsGradients(before);
}

// A thread that runs one part at a time, with single-threaded operators.
class Worker {
public:
  Worker() : thread([this] { serve(); }) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return ready; });
  }

  void start(const Part &next) {
    std::unique_lock lock(mutex);
    part = next;
    changed.notify_all();
  }

  void wait() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return !part; });
  }

private:
  std::mutex mutex;
  std::condition_variable changed;
  // Has a value until the part is done.
  std::optional<Part> part;
  bool ready = false;
  std::thread thread;

  void serve() {
    setOperatorThreadCount(1);
    std::unique_lock lock(mutex);
    ready = true;
    changed.notify_all();
    for (;;) {
      changed.wait(lock, [this] { return part.has_value(); });
      const Part current = *part;
      lock.unlock();
      row_threads = current.rows;
      run(current);
      lock.lock();
      part.reset();
      changed.notify_all();
    }
  }
};

// Held through a whole call of `row_threads_run`; guards `workers`.
std::mutex busy;
// Never destroyed: the threads wait for work until the process ends.
std::vector<Worker *> &workers = *new std::vector<Worker *>;

} // namespace

int32_t row_threads_count(void) { return row_threads; }
void row_threads_set_count(int32_t count) {
  if (row_threads == 0 && count > 0) ++scopes;
  row_threads = count;
}
bool row_threads_record(void) { return records_rows; }
int64_t tempflow::rowScope() { return scopes; }

void row_threads_run(int32_t count, bool records, void (*body)(void *context, int32_t index), void *context) {
  std::unique_lock lock(busy);
  // Weights may have changed since the last recording call.
  if (records) ++scopes;
  const int threads = operatorThreadCount();
  const int32_t before = row_threads;
  // The threads of a scope that spreads rows are inside the scope as well.
  const int32_t rows = before > 0 ? 1 : 0;
  while (static_cast<int32_t>(workers.size()) < count - 1) workers.push_back(new Worker);
  // A thread has its own setting; the default for new threads is the last one set.
  setOperatorThreadCount(1);
  row_threads = rows;
  for (int32_t index = 1; index < count; ++index) workers[index - 1]->start({body, context, index, records, rows});
  run({body, context, 0, records, rows});
  for (int32_t index = 1; index < count; ++index) workers[index - 1]->wait();
  setOperatorThreadCount(threads);
  row_threads = before;
}

// State that threads share is guarded by the mutex beside it: it is copied while the mutex is held, and the copy is
// used after that. Tests/ThreadStress runs this file under ThreadSanitizer.

#include "workers.h"
#include "ctorch.h"
#include "operator_threads.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace {

// Threads that rows may be spread over on this thread; 0 outside the scope that spreads them.
thread_local int32_t row_threads = 0;
// Whether this thread records rows of a batch that is spread over threads.
thread_local bool records_rows = false;
// How many such scopes there have been, and how many records.
std::atomic<int64_t> scopes = 0;

// What `shareSteps` takes; without steps, nothing.
struct SharedWork {
  Steps *steps = nullptr;
  void (*body)(const void *, Steps &) = nullptr;
  const void *context = nullptr;
};

// Steps that one thread shares, and how many others take some.
class Shared {
public:
  void begin(const SharedWork &some) {
    std::unique_lock lock(mutex);
    work = some;
  }

  // Returns when no other thread uses the work.
  void end() {
    std::unique_lock lock(mutex);
    work = {};
    changed.wait(lock, [this] { return helpers == 0; });
  }

  // Takes steps until there are no more; false when there were none.
  bool help() {
    std::unique_lock lock(mutex);
    if (!work.steps || work.steps->areTaken()) return false;
    // `end` resets `work` while helpers are still in `body`.
    const SharedWork current = work;
    ++helpers;
    lock.unlock();
    current.body(current.context, *current.steps);
    lock.lock();
    if (--helpers == 0) changed.notify_all();
    return true;
  }

private:
  std::mutex mutex;
  std::condition_variable changed;
  SharedWork work;
  int32_t helpers = 0;
};

// Of each thread that rows are spread over, the caller's first.
struct Team {
  std::vector<Shared> shared;
  // Threads that have not done their own rows.
  std::atomic<int32_t> busy;

  explicit Team(int32_t count) : shared(count), busy(count) {}
};
thread_local Shared *mine = nullptr;

// One part of a call of `ctorch_concurrently`.
struct Part {
  void (*body)(void *, int32_t);
  void *context;
  int32_t index;
  bool records;
  // `row_threads` inside.
  int32_t rows;
  Team *team;
};

void run(const Part &part) {
  std::optional<WithoutAutograd> guard;
  if (!part.records) guard.emplace();
  const bool before = recordsGradients();
  setRecordsGradients(part.records);
  records_rows = part.records;
  mine = &part.team->shared[part.index];
  part.body(part.context, part.index);
  mine = nullptr;
  records_rows = false;
  setRecordsGradients(before);
  part.team->busy.fetch_sub(1);
  for (int idle = 0; part.team->busy.load() > 0; ++idle) {
    for (Shared &shared : part.team->shared)
      if (shared.help()) idle = 0;
    // Other work on this core, such as rewards, goes first.
    if (idle < 20)
      std::this_thread::yield();
    else
      std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
}

// One thread that runs a part at a time, with operators that use this thread alone.
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
  // Until it is done.
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

// Held through a whole call of `ctorch_concurrently`; guards `workers`.
std::mutex busy;
// Never destroyed: the threads wait for work until the process ends.
std::vector<Worker *> &workers = *new std::vector<Worker *>;

} // namespace

int32_t ctorch_row_thread_count(void) { return row_threads; }
void ctorch_set_row_thread_count(int32_t count) {
  if (row_threads == 0 && count > 0) ++scopes;
  row_threads = count;
}
bool ctorch_records_rows(void) { return records_rows; }
int64_t rowScope() { return scopes; }

void shareSteps(Steps &steps, void (*body)(const void *context, Steps &steps), const void *context) {
  Shared *const shared = mine;
  if (!shared) return body(context, steps);
  // Also when `body` throws: others may still use the steps, which end with this call.
  struct Sharing {
    Shared &shared;
    ~Sharing() { shared.end(); }
  } const sharing{*shared};
  shared->begin({&steps, body, context});
  body(context, steps);
}

void ctorch_concurrently(int32_t count, bool records, void (*body)(void *context, int32_t index), void *context) {
  std::unique_lock lock(busy);
  // Weights may have changed since the last record.
  if (records) ++scopes;
  const int threads = operatorThreadCount();
  const int32_t before = row_threads;
  // Inside the scope that spreads rows, its threads are in the scope, too.
  const int32_t rows = before > 0 ? 1 : 0;
  while (static_cast<int32_t>(workers.size()) < count - 1) workers.push_back(new Worker);
  // A thread's own setting; the default for new threads is the last one made.
  setOperatorThreadCount(1);
  row_threads = rows;
  Team team(count);
  for (int32_t index = 1; index < count; ++index)
    workers[index - 1]->start({body, context, index, records, rows, &team});
  run({body, context, 0, records, rows, &team});
  for (int32_t index = 1; index < count; ++index) workers[index - 1]->wait();
  setOperatorThreadCount(threads);
  row_threads = before;
}

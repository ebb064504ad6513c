#include "workers.h"
#include "ctorch.h"

#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace {

// Threads that rows may be spread over on this thread; 0 outside the scope that spreads them.
thread_local int32_t row_threads = 0;
// Whether this thread records rows of a batch that is spread over threads.
thread_local bool records_rows = false;
// How many such scopes there have been, and how many records.
std::atomic<int64_t> scopes = 0;

// Steps that a thread shares, and how many others take some.
struct Shared {
  std::mutex mutex;
  std::condition_variable changed;
  Steps *steps = nullptr;
  void (*body)(const void *, Steps &) = nullptr;
  const void *context = nullptr;
  int32_t helpers = 0;

  // Whether there was anything to do.
  bool help() {
    std::unique_lock lock(mutex);
    if (!steps || steps->areTaken()) return false;
    ++helpers;
    lock.unlock();
    body(context, *steps);
    lock.lock();
    if (--helpers == 0) changed.notify_all();
    return true;
  }
};

// Of each thread that rows are spread over, the caller's first.
struct Team {
  std::vector<Shared> shared;
  // Threads that have not done their own rows.
  std::atomic<int32_t> busy;

  explicit Team(int32_t count) : shared(count), busy(count) {}
};
thread_local Shared *mine = nullptr;

void run(void (*body)(void *, int32_t), void *context, int32_t index, bool records, Team &team) {
  // Without a record, operators do not look whether they should make one.
  std::optional<at::AutoDispatchBelowADInplaceOrView> guard;
  if (!records) guard.emplace();
  const bool before = at::GradMode::is_enabled();
  at::GradMode::set_enabled(records);
  records_rows = records;
  mine = &team.shared[index];
  body(context, index);
  mine = nullptr;
  records_rows = false;
  at::GradMode::set_enabled(before);
  team.busy.fetch_sub(1);
  for (int idle = 0; team.busy.load() > 0; ++idle) {
    for (Shared &shared : team.shared)
      if (shared.help()) idle = 0;
    // Others who want the core, such as rewards, get it.
    if (idle < 20)
      std::this_thread::yield();
    else
      std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
}

// One thread that runs a piece of work at a time, with operators that use this thread alone.
class Worker {
public:
  Worker() : thread([this] { serve(); }) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return ready; });
  }

  void start(void (*body)(void *, int32_t), void *context, int32_t index, bool records, int32_t rows, Team &team) {
    std::unique_lock lock(mutex);
    this->team = &team;
    this->body = body;
    this->context = context;
    this->index = index;
    this->records = records;
    this->rows = rows;
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
  bool records = false;
  int32_t rows = 0;
  Team *team = nullptr;
  bool ready = false;
  std::thread thread;

  void serve() {
    at::set_num_threads(1);
    std::unique_lock lock(mutex);
    ready = true;
    changed.notify_all();
    for (;;) {
      changed.wait(lock, [this] { return body != nullptr; });
      lock.unlock();
      row_threads = rows;
      run(body, context, index, records, *team);
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
void ctorch_set_row_thread_count(int32_t count) {
  if (row_threads == 0 && count > 0) ++scopes;
  row_threads = count;
}
bool ctorch_records_rows(void) { return records_rows; }
int64_t rowScope() { return scopes; }

void shareSteps(Steps &steps, void (*body)(const void *context, Steps &steps), const void *context) {
  Shared *const shared = mine;
  if (!shared) return body(context, steps);
  {
    std::unique_lock lock(shared->mutex);
    shared->steps = &steps;
    shared->body = body;
    shared->context = context;
  }
  body(context, steps);
  std::unique_lock lock(shared->mutex);
  shared->steps = nullptr;
  shared->changed.wait(lock, [&] { return shared->helpers == 0; });
}

void ctorch_concurrently(int32_t count, bool records, void (*body)(void *context, int32_t index), void *context) {
  std::unique_lock lock(busy);
  // Weights may have learnt since the last one.
  if (records) ++scopes;
  const int threads = at::get_num_threads();
  const int32_t before = row_threads;
  // Inside the scope that spreads rows, its threads are in the scope, too.
  const int32_t rows = before > 0 ? 1 : 0;
  while (static_cast<int32_t>(workers.size()) < count - 1) workers.push_back(new Worker);
  // A thread's own setting; the default for new threads is the last one made.
  at::set_num_threads(1);
  row_threads = rows;
  Team team(count);
  for (int32_t index = 1; index < count; ++index) workers[index - 1]->start(body, context, index, records, rows, team);
  run(body, context, 0, records, team);
  for (int32_t index = 1; index < count; ++index) workers[index - 1]->wait();
  at::set_num_threads(threads);
  row_threads = before;
}

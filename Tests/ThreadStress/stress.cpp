// Runs the threads of Sources/CRowThreads and the pulse of Sources/CTorch under ThreadSanitizer. Bodies write plain variables: a part that two
// threads take, or a result that is read before it is there, is a race as well.

#include "ctorch_pulse.h"
#include "row_threads.h"
#include "row_scope.h"
#include "operators.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

void require(bool condition, const char *sentence) {
  if (condition) return;
  std::fprintf(stderr, "stress: it does not hold that %s\n", sentence);
  std::abort();
}

// A sequence of its own for each body (SplitMix64).
class Random {
public:
  explicit Random(uint64_t seed) : state(seed) {}

  int64_t below(int64_t count) {
    uint64_t x = state += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return static_cast<int64_t>((x ^ (x >> 31)) % static_cast<uint64_t>(count));
  }

private:
  uint64_t state;
};

void compute(int64_t amount) {
  for (int64_t i = 0; i < amount; ++i) asm volatile("");
}

void sleep(int64_t microseconds) { std::this_thread::sleep_for(std::chrono::microseconds(microseconds)); }

// Sleeps or computes, so that parts end in any order.
void spend(Random &random) { random.below(4) ? compute(random.below(20000)) : sleep(random.below(200)); }

// One call of `row_threads_run`.
struct Batch {
  bool records;
  int32_t rowThreads;
  uint64_t seed;
  std::vector<int> done;
};

void takeRow(void *context, int32_t index) {
  Batch &batch = *static_cast<Batch *>(context);
  require(operatorThreadCount() == 1, "operators of a part use one thread");
  require(recordsGradients() == batch.records && row_threads_record() == batch.records, "a part records as required");
  require(isWithoutAutograd() != batch.records, "a part without a record skips autograd");
  require(row_threads_count() == batch.rowThreads, "a part knows whether it is in the scope");
  Random random(batch.seed + static_cast<uint64_t>(index));
  spend(random);
  ++batch.done[index];
}

void takeRows(int32_t count, Batch batch) {
  batch.done.assign(count, 0);
  batch.rowThreads = row_threads_count() > 0 ? 1 : 0;
  const int threads = operatorThreadCount();
  const int32_t rowThreads = row_threads_count();
  row_threads_run(count, batch.records, takeRow, &batch);
  for (int done : batch.done) require(done == 1, "each part is computed once");
  require(operatorThreadCount() == threads, "the caller's operators have their threads again");
  require(row_threads_count() == rowThreads, "the caller is in its scope again");
  require(recordsGradients() && !row_threads_record() && !isWithoutAutograd(), "the caller records again");
}

// Teams of different sizes one after the other, with records and without.
void testTeams(Random &random) {
  for (int32_t count = 1; count <= 4; ++count) {
    const bool records = random.below(2), isInScope = random.below(2);
    row_threads_set_count(isInScope ? 4 : 0);
    const int64_t before = tempflow::rowScope();
    takeRows(count, {records, 0, static_cast<uint64_t>(random.below(1 << 30)), {}});
    require(tempflow::rowScope() == before + records, "a record is a scope of its own");
  }
}

// Threads of their own that use everything at once, as a reward's network does beside training.
void testCallers(Random &random) {
  const uint64_t seed = static_cast<uint64_t>(random.below(1 << 30));
  std::vector<std::thread> callers;
  for (int index = 0; index < 3; ++index)
    callers.emplace_back([=] {
      setOperatorThreadCount(2 + index);
      Random own(seed + static_cast<uint64_t>(index));
      for (int round = 0; round < 3; ++round) {
        row_threads_set_count(static_cast<int32_t>(own.below(2)) * 3);
        takeRows(1 + static_cast<int32_t>(own.below(3)),
                 {own.below(2) > 0, 0, static_cast<uint64_t>(own.below(1 << 30)), {}});
      }
    });
  for (std::thread &caller : callers) caller.join();
}

// Pulses that end while they wait, while they beat, or by themselves. What a beat writes is read after the end.
void testPulse(Random &random) {
  const int64_t last = random.below(4) ? INT64_MAX : 1 + random.below(5);
  const int64_t spent = random.below(2000);
  int64_t beats = 0;
  {
    const Pulse pulse(
        [&](int64_t number) {
          require(number == beats + 1, "beats are numbered from 1");
          beats = number;
          compute(spent);
          return number < last;
        },
        std::chrono::milliseconds(random.below(2)));
    sleep(random.below(3000));
  }
  require(beats <= last, "no beat follows the last");
}

// Repeats a test for a time, whatever else the processor does.
template <typename Test> void repeat(const char *name, double seconds, const Test &test) {
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  Random random(1);
  int rounds = 0;
  do {
    test(random);
    ++rounds;
  } while (Clock::now() < end);
  std::printf("%s: %d rounds\n", name, rounds);
}

} // namespace

int main() {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  setOperatorThreadCount(3);
  repeat("teams", 2, testTeams);
  row_threads_set_count(0);
  repeat("callers", 1.5, testCallers);
  repeat("pulse", 1.5, testPulse);
}

// Runs the threads of Sources/CTorch/workers.cpp and parallel.cpp under ThreadSanitizer, at paces at which the owner of
// steps leaves while helpers are inside, and the other way round. Bodies write plain variables: a step that two threads
// take, or a result that is read before it is there, is a race as well.

#include "ctorch.h"
#include "operators.h"
#include "parallel.h"
#include "workers.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
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

// Which side of `share` is slow. An owner that waits for helpers before it hurries leaves while they are inside.
enum class Pace { none, owner, helpers, uneven };
constexpr int paces = 4;

void spend(Pace pace, bool isOwner, int64_t step, Random &random) {
  switch (pace) {
  case Pace::none: return;
  case Pace::owner: return isOwner ? sleep(200) : compute(random.below(100));
  case Pace::helpers: return !isOwner ? sleep(300) : step == 0 ? sleep(200) : compute(random.below(100));
  case Pace::uneven: return random.below(4) ? compute(random.below(20000)) : sleep(random.below(200));
  }
}

// One call of `share`: each step is to be taken once, and to be seen when the call has returned.
void shareOnce(Pace pace, int64_t count, Random &random) {
  const std::thread::id owner = std::this_thread::get_id();
  std::vector<int64_t> taken(count, 0), found(count, 0);
  const uint64_t seed = static_cast<uint64_t>(random.below(1 << 30));
  share(count, [&](Steps &steps) {
    Random own(seed);
    for (int64_t step; (step = steps.next()) >= 0;) {
      spend(pace, std::this_thread::get_id() == owner, step, own);
      ++taken[step];
      found[step] = step * step;
    }
  });
  for (int64_t step = 0; step < count; ++step) {
    require(taken[step] == 1, "each step is taken once");
    require(found[step] == step * step, "the results of all steps are there");
  }
}

// A call whose body throws on the owner's thread while others are inside.
void shareAndThrow(Random &random) {
  const std::thread::id owner = std::this_thread::get_id();
  std::vector<int64_t> taken(8, 0);
  bool isCaught = false;
  try {
    share(8, [&](Steps &steps) {
      for (int64_t step; (step = steps.next()) >= 0;) {
        ++taken[step];
        if (std::this_thread::get_id() == owner) throw std::runtime_error("the owner's step");
        sleep(100);
      }
    });
  } catch (const std::runtime_error &) {
    isCaught = true;
  }
  require(isCaught, "what a body throws arrives at the owner");
  for (int64_t count : taken) require(count <= 1, "each step is taken once at most");
  shareOnce(Pace::none, random.below(4), random);
}

// One call of `ctorch_concurrently`.
struct Batch {
  bool records;
  int32_t rowThreads;
  Pace pace;
  bool throws;
  uint64_t seed;
  std::vector<int> done;
};

void takeRow(void *context, int32_t index) {
  Batch &batch = *static_cast<Batch *>(context);
  require(operatorThreadCount() == 1, "operators of a part use one thread");
  require(recordsGradients() == batch.records && ctorch_records_rows() == batch.records, "a part records as required");
  require(isWithoutAutograd() != batch.records, "a part without a record skips autograd");
  require(ctorch_row_thread_count() == batch.rowThreads, "a part knows whether it is in the scope");
  Random random(batch.seed + static_cast<uint64_t>(index));
  // One part has nothing to share, so its thread helps the others from the start.
  const int64_t parts = static_cast<int64_t>(batch.done.size()), calls = index == parts / 2 ? 0 : 1 + random.below(3);
  for (int64_t call = 0; call < calls; ++call) {
    shareOnce(batch.pace, random.below(12), random);
    if (batch.throws) shareAndThrow(random);
    int64_t sum = 0;
    inParallel(10, 1, [&](int64_t begin, int64_t end) { sum += end - begin; });
    require(sum == 10, "a part's own operators see all of a range");
  }
  ++batch.done[index];
}

void takeRows(int32_t count, Batch batch) {
  batch.done.assign(count, 0);
  batch.rowThreads = ctorch_row_thread_count() > 0 ? 1 : 0;
  const int threads = operatorThreadCount();
  const int32_t rowThreads = ctorch_row_thread_count();
  ctorch_concurrently(count, batch.records, takeRow, &batch);
  for (int done : batch.done) require(done == 1, "each part is computed once");
  require(operatorThreadCount() == threads, "the caller's operators have their threads again");
  require(ctorch_row_thread_count() == rowThreads, "the caller is in its scope again");
  require(recordsGradients() && !ctorch_records_rows() && !isWithoutAutograd(), "the caller records again");
}

// Teams of different sizes one after the other, at every pace, with records and without.
void testTeams(Random &random) {
  for (int pace = 0; pace < paces; ++pace)
    for (int32_t count = 1; count <= 4; ++count) {
      const bool records = random.below(2), isInScope = random.below(2);
      ctorch_set_row_thread_count(isInScope ? 4 : 0);
      const int64_t before = rowScope();
      takeRows(count, {records, 0, static_cast<Pace>(pace), false, static_cast<uint64_t>(random.below(1 << 30)), {}});
      require(rowScope() == before + records, "a record is a scope of its own");
    }
}

// Bodies that throw amid a team.
void testThrowing(Random &random) {
  takeRows(3, {true, 0, Pace::uneven, true, static_cast<uint64_t>(random.below(1 << 30)), {}});
}

// A range over a team of OpenMP, also from inside.
void coverRange(Random &random) {
  const int64_t count = random.below(40), grain = 1 + random.below(4);
  std::vector<int> visits(count, 0);
  inParallel(count, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) ++visits[i];
    if (count <= grain) return;
    require(isMarkedAsRegion(), "a part is marked as one");
    bool isWhole = false;
    inParallel(5, 1, [&](int64_t first, int64_t last) { isWhole = first == 0 && last == 5; });
    require(isWhole, "a range inside a part stays in one piece");
  });
  for (int visit : visits) require(visit == 1, "each index is visited once");
  require(!isMarkedAsRegion() && !isInParallelRegion(), "the mark ends with the range");
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
        ctorch_set_row_thread_count(static_cast<int32_t>(own.below(2)) * 3);
        coverRange(own);
        takeRows(1 + static_cast<int32_t>(own.below(3)),
                 {own.below(2) > 0, 0, Pace::uneven, false, static_cast<uint64_t>(own.below(1 << 30)), {}});
      }
    });
  for (std::thread &caller : callers) caller.join();
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
  ctorch_set_row_thread_count(0);
  repeat("throwing", 0.5, testThrowing);
  repeat("callers", 1.5, testCallers);
}

#include "operators.h"

#include <atomic>
#include <thread>
#include <vector>

namespace {

// libtorch's: the last number set, which a thread takes over when it first looks.
std::atomic<int> lastCount = 1;
thread_local int ownCount = 0;
thread_local bool records = true;
thread_local bool isInTeam = false;
thread_local int regions = 0;
thread_local int withoutAutograd = 0;

} // namespace

int operatorThreadCount() {
  if (ownCount == 0) ownCount = lastCount;
  return ownCount;
}
void setOperatorThreadCount(int count) { lastCount = ownCount = count; }

bool recordsGradients() { return records; }
void setRecordsGradients(bool value) { records = value; }

bool isInParallelRegion() { return isInTeam; }
bool isMarkedAsRegion() { return regions > 0; }
bool isWithoutAutograd() { return withoutAutograd > 0; }

struct ParallelRegion::Guard {};
ParallelRegion::ParallelRegion() { ++regions; }
ParallelRegion::~ParallelRegion() { --regions; }

struct WithoutAutograd::Guard {};
WithoutAutograd::WithoutAutograd() { ++withoutAutograd; }
WithoutAutograd::~WithoutAutograd() { --withoutAutograd; }

extern "C" void GOMP_parallel(void (*body)(void *), void *context, unsigned, unsigned) {
  const auto member = [=] {
    isInTeam = true;
    body(context);
    isInTeam = false;
  };
  std::vector<std::thread> others;
  for (int index = 1; index < operatorThreadCount(); ++index) others.emplace_back(member);
  member();
  for (std::thread &other : others) other.join();
}

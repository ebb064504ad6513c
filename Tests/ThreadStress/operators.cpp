#include "operators.h"

#include <atomic>

namespace {

// libtorch's: the last number set, which a thread takes over when it first looks.
std::atomic<int> lastCount = 1;
thread_local int ownCount = 0;
thread_local bool records = true;
thread_local int withoutAutograd = 0;

} // namespace

int operatorThreadCount() {
  if (ownCount == 0) ownCount = lastCount;
  return ownCount;
}
void setOperatorThreadCount(int count) { lastCount = ownCount = count; }

bool recordsGradients() { return records; }
void setRecordsGradients(bool value) { records = value; }

bool isWithoutAutograd() { return withoutAutograd > 0; }

struct WithoutAutograd::Guard {};
WithoutAutograd::WithoutAutograd() { ++withoutAutograd; }
WithoutAutograd::~WithoutAutograd() { --withoutAutograd; }

#include "record.h"

#include "devices.h"
#include "order.h"

#include <atomic>
#include <c10/util/Exception.h>
#include <mutex>

namespace simulation {
namespace {

struct Record {
  std::mutex mutex;
  std::atomic<bool> waitsAreForbidden = false;
  Counts sinceReset, sinceStart;

  template <typename Change> void update(Change change) {
    const std::lock_guard lock(mutex);
    change(sinceReset);
    change(sinceStart);
  }
};

// Never destroyed: threads may still run operators while the process exits.
Record &record() {
  static Record &record = *new Record;
  return record;
}

} // namespace

void countKernel(const std::string &name) {
  record().update([&](Counts &counts) {
    ++counts.kernels;
    ++counts.kernelsByName[name];
  });
}

void countUpload(bool isBeside) {
  record().update([=](Counts &counts) {
    ++counts.uploads;
    counts.uploadsBeside += isBeside;
  });
}

void countSplitProduct() {
  record().update([](Counts &counts) { ++counts.splitProducts; });
}

void countCacheRelease() {
  record().update([](Counts &counts) { ++counts.cacheReleases; });
}

void countContext(int device) {
  record().update([=](Counts &counts) { ++counts.contexts[device]; });
}

void wait(const std::string &name) {
  awaitCurrent(currentDevice());
  record().update([&](Counts &counts) {
    ++counts.waits;
    ++counts.waitsByName[name];
  });
  TORCH_CHECK(!record().waitsAreForbidden, name, " makes the host wait for the GPU, which is forbidden here");
}

void forbidWaits(bool forbidden) { record().waitsAreForbidden = forbidden; }

Counts counts() {
  const std::lock_guard lock(record().mutex);
  return record().sinceReset;
}

void resetCounts() {
  const std::lock_guard lock(record().mutex);
  record().sinceReset = {};
}

Counts lifetimeCounts() {
  const std::lock_guard lock(record().mutex);
  return record().sinceStart;
}

} // namespace simulation

// Counts of what runs on the devices and of what would make a GPU's host wait.
#pragma once

#include <map>
#include <string>

namespace simulation {

// One operator that ran on a device.
void countKernel(const std::string &name);
// One copy from the host's memory to a device, on its default stream or beside it.
void countUpload(bool isBeside);
void countCacheRelease();
// A half-precision product whose sums CUDA may split.
void countSplitProduct();
// A call that makes a device current, which opens a context on it.
void countContext(int device);
// The host of a GPU waits here. Throws while waits are forbidden.
void wait(const std::string &name);

void forbidWaits(bool forbidden);

struct Counts {
  long kernels = 0, waits = 0, uploads = 0, uploadsBeside = 0, cacheReleases = 0, splitProducts = 0;
  std::map<std::string, long> kernelsByName, waitsByName;
  std::map<int, long> contexts;
};

Counts counts();
void resetCounts();
// Since the process started, whatever was reset meanwhile.
Counts lifetimeCounts();

} // namespace simulation

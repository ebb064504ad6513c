// The functions of simulated_cuda.h, and the report that a process leaves.
#include "../simulated_cuda.h"
#include "memory.h"
#include "record.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

using namespace simulation;

namespace {

const char *lines(const std::map<std::string, long> &counts) {
  std::vector<std::pair<long, std::string>> sorted;
  for (const auto &[name, count] : counts) sorted.emplace_back(-count, name);
  std::sort(sorted.begin(), sorted.end());
  thread_local std::string text;
  text.clear();
  for (const auto &[count, name] : sorted) text += std::to_string(-count) + " " + name + "\n";
  return text.c_str();
}

std::string joined(const std::vector<std::string> &parts) {
  std::string text;
  for (const std::string &part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

// One JSON object. The names need no escapes.
void writeReport(const char *path) {
  const Counts counts = lifetimeCounts();
  std::vector<std::string> peaks, waits, operators;
  for (c10::DeviceIndex device = 0; device < deviceCount; ++device)
    peaks.push_back(std::to_string(lifetimePeakBytes(device)));
  for (const auto &[name, count] : counts.waitsByName) waits.push_back('"' + name + "\": " + std::to_string(count));
  for (const auto &[name, count] : counts.kernelsByName) operators.push_back('"' + name + '"');
  std::FILE *file = std::fopen(path, "w");
  if (!file) return std::perror(path);
  std::fprintf(file,
               "{\"kernels\": %ld, \"waits\": %ld, \"uploads\": %ld, \"cache_releases\": %ld, \"peak_bytes\": [%s], "
               "\"waits_by\": {%s}, \"operators\": [%s]}\n",
               counts.kernels, counts.waits, counts.uploads, counts.cacheReleases, joined(peaks).c_str(),
               joined(waits).c_str(), joined(operators).c_str());
  std::fclose(file);
}

// Written by an exit function, which runs in whichever thread calls exit().
const char *const reportPath = std::getenv("SIMULATED_CUDA_REPORT");
const bool isReporting = reportPath && std::atexit([] { writeReport(reportPath); }) == 0;

} // namespace

void simulated_cuda_reset(void) { resetCounts(); }
long simulated_cuda_kernels(void) { return counts().kernels; }
long simulated_cuda_waits(void) { return counts().waits; }
long simulated_cuda_uploads(void) { return counts().uploads; }
long simulated_cuda_uploads_beside(void) { return counts().uploadsBeside; }
long simulated_cuda_split_products(void) { return counts().splitProducts; }
long simulated_cuda_contexts(int32_t device) { return counts().contexts[device]; }
long simulated_cuda_cache_releases(void) { return counts().cacheReleases; }
const char *simulated_cuda_waits_by_name(void) { return lines(counts().waitsByName); }
const char *simulated_cuda_kernels_by_name(void) { return lines(counts().kernelsByName); }
void simulated_cuda_forbid_waits(bool forbidden) { forbidWaits(forbidden); }
int64_t simulated_cuda_bytes(int32_t device) { return allocatedBytes(static_cast<c10::DeviceIndex>(device)); }
int64_t simulated_cuda_peak_bytes(int32_t device) { return lifetimePeakBytes(static_cast<c10::DeviceIndex>(device)); }
void simulated_cuda_set_memory_limit(int64_t bytes) { setMemoryLimit(static_cast<size_t>(bytes)); }

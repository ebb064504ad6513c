#include "ctorch.h"

#include <climits>
#include <cstdio>

#include <c10/core/DeviceType.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

void ctorch_keep_freed_memory(int32_t largest) {
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, largest);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  mallopt(M_TOP_PAD, 64 << 20);
  // Heaps of other threads would end at 64 MiB, with a mapping for every larger block.
  mallopt(M_ARENA_MAX, 1);
#endif
}

void ctorch_release_freed_memory(void) {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

// The largest resident size since the last reset, in bytes; -1 if unknown.
static int64_t peak_resident_bytes() {
  std::FILE *file = std::fopen("/proc/self/status", "r");
  if (!file) return -1;
  char line[256];
  long long kibibytes = 0;
  int64_t bytes = -1;
  while (bytes < 0 && std::fgets(line, sizeof line, file))
    if (std::sscanf(line, "VmHWM: %lld kB", &kibibytes) == 1) bytes = kibibytes * 1024;
  std::fclose(file);
  return bytes;
}

int64_t ctorch_peak_memory(int32_t device_type, int32_t index) {
  const auto type = static_cast<c10::DeviceType>(device_type);
  if (type == c10::DeviceType::CPU) return peak_resident_bytes();
  return type == c10::DeviceType::CUDA ? ctorch_cuda_peak_memory(index) : -1;
}

bool ctorch_reset_peak_memory(int32_t device_type, int32_t index) {
  const auto type = static_cast<c10::DeviceType>(device_type);
  if (type == c10::DeviceType::CPU) {
    std::FILE *file = std::fopen("/proc/self/clear_refs", "w");
    if (!file) return false;
    const bool written = std::fputs("5", file) >= 0;
    return std::fclose(file) == 0 && written;
  }
  return type == c10::DeviceType::CUDA && ctorch_cuda_reset_peak_memory(index);
}

#include "memory.h"

#include "devices.h"
#include "order.h"
#include "record.h"

#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <sys/mman.h>
#include <vector>

namespace simulation {
namespace {

// CUDA's allocator counts and aligns tensors in units of this size.
constexpr size_t unit = 512;
// Reserved for addresses of all devices; it takes no memory.
constexpr size_t addressSpace = size_t(4) << 40;

size_t roundedUp(size_t bytes, size_t multiple) { return (bytes + multiple - 1) / multiple * multiple; }

// Addresses that belong to no accessible page. Freed ones are used again.
class Addresses {
public:
  char *take(size_t bytes) {
    auto &freed = freedBySize[sizeClass(bytes)];
    if (!freed.empty()) {
      char *address = freed.back();
      freed.pop_back();
      return address;
    }
    TORCH_CHECK(next + sizeClass(bytes) <= end, "the simulated devices have no addresses left");
    return std::exchange(next, next + sizeClass(bytes));
  }
  void giveBack(char *address, size_t bytes) { freedBySize[sizeClass(bytes)].push_back(address); }

private:
  char *next = reserve(), *end = next + addressSpace;
  std::map<size_t, std::vector<char *>> freedBySize;

  // Few classes, so that freed addresses fit later tensors.
  static size_t sizeClass(size_t bytes) { return std::bit_ceil(bytes); }
  static char *reserve() {
    void *start = mmap(nullptr, addressSpace, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    TORCH_CHECK(start != MAP_FAILED, "no addresses for the simulated devices: ", std::strerror(errno));
    return static_cast<char *>(start);
  }
};

struct Block {
  size_t bytes; // whole units
  c10::DeviceIndex device;
  c10::DataPtr host;
};

struct DeviceMemory {
  c10::CachingDeviceAllocator::DeviceStats stats;
  int64_t lifetimePeak = 0;

  size_t allocated() const { return stats.allocated_bytes[0].current; }
  // Freed memory goes back at once: what is reserved is what is in use.
  template <typename Change> void changeBytes(Change change) {
    for (auto *stat : {&stats.allocated_bytes, &stats.active_bytes, &stats.reserved_bytes}) change((*stat)[0]);
  }
};

struct Memory {
  std::mutex mutex;
  size_t limit = size_t(80) << 30;
  Addresses addresses;
  DeviceMemory devices[deviceCount];
  std::map<const char *, Block> blocks; // in use, by first address
  std::map<const char *, size_t> pinned;

  Memory() {
    if (const char *bytes = std::getenv("SIMULATED_CUDA_MEMORY")) limit = std::strtoull(bytes, nullptr, 10);
  }

  // The block around an address in any part of it; blocks.end() if there is none.
  auto around(const void *address) {
    auto next = blocks.upper_bound(static_cast<const char *>(address));
    if (next == blocks.begin()) return blocks.end();
    const auto block = std::prev(next);
    return address < block->first + block->second.bytes ? block : blocks.end();
  }
};

// Never destroyed: tensors may outlive the library's static objects.
Memory &memory() {
  static Memory &memory = *new Memory;
  return memory;
}

std::string sizeText(size_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " bytes";
  const char *names[] = {"KiB", "MiB", "GiB"};
  double size = bytes / 1024.0;
  int name = 0;
  for (; name < 2 && size >= 1024; ++name) size /= 1024;
  char text[32];
  std::snprintf(text, sizeof text, "%.2f %s", size, names[name]);
  return text;
}

// Throws with the sentences of CUDA's allocator if a device has no room for `bytes`.
void requireFree(size_t bytes, c10::DeviceIndex index) {
  DeviceMemory &device = memory().devices[index];
  const size_t limit = memory().limit, used = device.allocated();
  if (used + bytes <= limit) return;
  ++device.stats.num_ooms;
  TORCH_CHECK_WITH(
      OutOfMemoryError, false, "CUDA out of memory. Tried to allocate ", sizeText(bytes), ". GPU ", int(index),
      " has a total capacity of ", sizeText(limit), " of which ", sizeText(limit - std::min(limit, used)),
      " is free. Including non-PyTorch memory, this process has ", sizeText(used),
      " memory in use. Of the allocated memory ", sizeText(used), " is allocated by PyTorch, and 0 bytes is reserved by"
      " PyTorch but unallocated. If reserved but unallocated memory is large try setting"
      " PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation.");
}

void release(void *address) {
  Block block; // freed without the lock
  const std::lock_guard lock(memory().mutex);
  const auto found = memory().blocks.find(static_cast<char *>(address));
  block = std::move(found->second);
  memory().blocks.erase(found);
  memory().addresses.giveBack(static_cast<char *>(address), block.bytes);
  DeviceMemory &device = memory().devices[block.device];
  device.changeBytes([&](c10::CachingAllocator::Stat &stat) { stat.decrease(block.bytes); });
  device.stats.allocation[0].decrease(1);
}

struct DeviceAllocator final : c10::DeviceAllocator {
  c10::DataPtr allocate(size_t bytes) override { return simulation::allocate(bytes, currentDevice()); }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void *to, const void *from, size_t bytes) const override {
    std::memmove(hostAddress(to), hostAddress(from), bytes);
  }

  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t) override { countCacheRelease(); }
  void recordStream(const c10::DataPtr &, c10::Stream) override {}
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex index) override {
    const std::lock_guard lock(memory().mutex);
    return memory().devices[checked(index)].stats;
  }
  void resetAccumulatedStats(c10::DeviceIndex index) override {
    change(index, [](c10::CachingAllocator::Stat &stat) { stat.reset_accumulated(); });
  }
  void resetPeakStats(c10::DeviceIndex index) override {
    change(index, [](c10::CachingAllocator::Stat &stat) { stat.reset_peak(); });
  }
  // {free, total}
  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex index) override {
    const std::lock_guard lock(memory().mutex);
    const size_t limit = memory().limit;
    return {limit - std::min(limit, memory().devices[checked(index)].allocated()), limit};
  }

private:
  template <typename Change> void change(c10::DeviceIndex index, Change change) {
    const std::lock_guard lock(memory().mutex);
    DeviceMemory &device = memory().devices[checked(index)];
    device.changeBytes(change);
    change(device.stats.allocation[0]);
  }
};

void releasePinned(void *address) {
  {
    const std::lock_guard lock(memory().mutex);
    memory().pinned.erase(static_cast<char *>(address));
  }
  std::free(address);
}

struct PinnedAllocator final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    if (bytes == 0) return {nullptr, c10::Device(c10::kCPU)};
    void *start = std::aligned_alloc(64, roundedUp(bytes, 64));
    TORCH_CHECK(start, "the host cannot allocate ", bytes, " bytes");
    const std::lock_guard lock(memory().mutex);
    memory().pinned[static_cast<char *>(start)] = bytes;
    return {start, start, &releasePinned, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &releasePinned; }
  void copy_data(void *to, const void *from, size_t bytes) const override { std::memcpy(to, from, bytes); }
};

// Never destroyed, like the memory.
DeviceAllocator &theDeviceAllocator = *new DeviceAllocator;
REGISTER_ALLOCATOR(c10::kCUDA, &theDeviceAllocator)

} // namespace

c10::DataPtr allocate(size_t bytes, c10::DeviceIndex index) {
  c10::DataPtr host;
  {
    const std::lock_guard lock(memory().mutex);
    requireFree(roundedUp(bytes, unit), checked(index));
  }
  if (bytes > 0) host = c10::GetAllocator(c10::kCPU)->allocate(bytes);
  return adopt(std::move(host), bytes, index);
}

c10::DataPtr adopt(c10::DataPtr host, size_t requested, c10::DeviceIndex index) {
  const c10::Device device(c10::kCUDA, checked(index));
  if (requested == 0) return {nullptr, nullptr, &release, device};
  const size_t bytes = roundedUp(requested, unit);

  const std::lock_guard lock(memory().mutex);
  requireFree(bytes, device.index());
  char *address = memory().addresses.take(bytes);
  own(address, device.index());
  memory().blocks[address] = {bytes, device.index(), std::move(host)};
  DeviceMemory &owner = memory().devices[device.index()];
  owner.changeBytes([&](c10::CachingAllocator::Stat &stat) { stat.increase(bytes); });
  owner.stats.allocation[0].increase(1);
  owner.lifetimePeak = std::max<int64_t>(owner.lifetimePeak, owner.allocated());
  return {address, address, &release, device};
}

c10::DeviceAllocator *deviceAllocator() { return &theDeviceAllocator; }

void *hostAddress(const void *address) {
  if (!address) return nullptr;
  const std::lock_guard lock(memory().mutex);
  const auto found = memory().around(address);
  TORCH_CHECK(found != memory().blocks.end(), "CUDA error: an illegal memory access was encountered");
  return static_cast<char *>(found->second.host.get()) + (static_cast<const char *>(address) - found->first);
}

std::optional<c10::DeviceIndex> deviceOf(const void *address) {
  const std::lock_guard lock(memory().mutex);
  const auto found = memory().around(address);
  if (found == memory().blocks.end()) return {};
  return found->second.device;
}

c10::Allocator *pinnedAllocator() {
  static PinnedAllocator &allocator = *new PinnedAllocator;
  return &allocator;
}

bool isPinned(const void *address) {
  const std::lock_guard lock(memory().mutex);
  const auto next = memory().pinned.upper_bound(static_cast<const char *>(address));
  return next != memory().pinned.begin() && address < std::prev(next)->first + std::prev(next)->second;
}

int64_t allocatedBytes(c10::DeviceIndex index) {
  const std::lock_guard lock(memory().mutex);
  return memory().devices[checked(index)].allocated();
}

int64_t lifetimePeakBytes(c10::DeviceIndex index) {
  const std::lock_guard lock(memory().mutex);
  return memory().devices[checked(index)].lifetimePeak;
}

void setMemoryLimit(size_t bytes) {
  const std::lock_guard lock(memory().mutex);
  memory().limit = bytes;
}

} // namespace simulation

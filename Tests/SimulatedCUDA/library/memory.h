// Memory of the simulated devices. A tensor's address lies in pages that cannot be touched; its bytes are elsewhere in
// the host's memory, where only the simulation finds them.
#pragma once

#include <c10/core/CachingDeviceAllocator.h>
#include <optional>

namespace simulation {

constexpr c10::DeviceIndex deviceCount = 2;

c10::DataPtr allocate(size_t bytes, c10::DeviceIndex device);
// Memory of a device whose bytes are those of `host`, without a copy.
c10::DataPtr adopt(c10::DataPtr host, size_t bytes, c10::DeviceIndex device);
// libtorch's allocator for CUDA. It allocates on the current device.
c10::DeviceAllocator *deviceAllocator();

// Where the bytes of an address of a device are. Null for null.
void *hostAddress(const void *deviceAddress);
// The device whose memory has the address; none for memory of the host.
std::optional<c10::DeviceIndex> deviceOf(const void *address);

// Host memory that a GPU could read and write by itself.
c10::Allocator *pinnedAllocator();
bool isPinned(const void *address);

int64_t allocatedBytes(c10::DeviceIndex device);
// Not reset by libtorch's resetPeakStats.
int64_t lifetimePeakBytes(c10::DeviceIndex device);
// Of each device.
void setMemoryLimit(size_t bytes);

} // namespace simulation

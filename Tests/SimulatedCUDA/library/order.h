// Which work precedes which on a GPU with several streams. The simulation runs operators one after another, so it checks
// that CUDA would have to do the same.
#pragma once

#include <c10/core/Stream.h>
#include <map>

namespace simulation {

// How much of each stream's work has ended.
using Progress = std::map<c10::StreamId, long>;

// The current stream allocates the memory at an address.
void own(const void *address, c10::DeviceIndex device);
// An operator of the current stream uses the memory at an address. Throws if work of another stream that used it is not
// known to have ended.
void use(const void *address, c10::DeviceIndex device);

// The stream's work up to now and all that precedes it.
Progress progress(const c10::Stream &stream);
// Later work of the stream begins after that.
void await(const c10::Stream &stream, const Progress &progress);
// Later work of all streams of the device begins after that of its current one, for which the host waits.
void awaitCurrent(c10::DeviceIndex device);

} // namespace simulation

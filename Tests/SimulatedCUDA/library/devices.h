// The devices, their streams and generators.
#pragma once

#include <ATen/core/Generator.h>
#include <c10/core/Device.h>

namespace simulation {

// The device of the calling thread.
c10::DeviceIndex currentDevice();
void setCurrentDevice(c10::DeviceIndex index);
// The calling thread's stream of a device; 0 is the default one.
c10::StreamId currentStream(c10::DeviceIndex index);
// The index itself, the current device for a negative one; throws for a device that does not exist.
c10::DeviceIndex checked(c10::DeviceIndex index);

// The CPU generator that draws for a generator of a device. Throws for a generator of the host, as CUDA does.
at::Generator hostGenerator(const at::Generator &generator);
at::Generator newGenerator(c10::DeviceIndex index);
// Draws for operators that are called without a generator.
const at::Generator &defaultGenerator(c10::DeviceIndex index);

// Turns the hooks that libtorch chose, when it knew of no CUDA, into those of the simulation.
void replaceHooks();

} // namespace simulation

// Devices, streams and events, as libtorch sees them. Every operator has finished when its call returns, so that
// streams have no work and an event is over when it is recorded; order.h checks that CUDA would have had to wait.
#include "devices.h"
#include "memory.h"
#include "order.h"
#include "record.h"

#include <atomic>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <chrono>

namespace simulation {
namespace {

thread_local c10::DeviceIndex theCurrentDevice = 0;
thread_local c10::StreamId currentStreams[deviceCount] = {};
std::atomic<c10::StreamId> lastStream = 0;

struct Event {
  std::chrono::steady_clock::time_point time;
  bool keepsTime = false;
  Progress progress;
};

Event &event(void *pointer) { return *static_cast<Event *>(pointer); }

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return c10::kCUDA; }
  c10::DeviceIndex deviceCount() const noexcept override { return simulation::deviceCount; }
  c10::Device getDevice() const override { return {c10::kCUDA, currentDevice()}; }
  c10::Device exchangeDevice(c10::Device device) const override {
    const c10::Device previous = getDevice();
    setDevice(device);
    return previous;
  }
  void setDevice(c10::Device device) const override {
    setCurrentDevice(device.index());
    countContext(currentDevice());
  }
  void uncheckedSetDevice(c10::Device device) const noexcept override {
    if (device.index() >= 0) theCurrentDevice = device.index();
  }

  c10::Stream getStream(c10::Device device) const override {
    const c10::DeviceIndex index = checked(device.index());
    return stream(index, currentStreams[index]);
  }
  c10::Stream getDefaultStream(c10::Device device) const override { return stream(checked(device.index()), 0); }
  c10::Stream getStreamFromGlobalPool(c10::Device device, bool) const override { return getNewStream(device, 0); }
  c10::Stream getNewStream(c10::Device device, int) const override {
    return stream(checked(device.index()), ++lastStream);
  }
  c10::Stream exchangeStream(c10::Stream next) const override {
    const c10::Stream previous = getStream(next.device());
    currentStreams[next.device_index()] = next.id();
    return previous;
  }
  bool queryStream(const c10::Stream &) const override { return true; }
  void synchronizeStream(const c10::Stream &) const override { wait("synchronize stream"); }
  void synchronizeDevice(c10::DeviceIndex) const override {
    returnToCurrent();
    wait("synchronize device");
  }

  void record(void **pointer, const c10::Stream &stream, c10::DeviceIndex, c10::EventFlag flag) const override {
    returnToCurrent();
    if (!*pointer) *pointer = new Event;
    event(*pointer) = {std::chrono::steady_clock::now(), flag == c10::EventFlag::BACKEND_DEFAULT,
                       progress(stream)};
  }
  void destroyEvent(void *pointer, c10::DeviceIndex) const noexcept override {
    returnToCurrent();
    delete static_cast<Event *>(pointer);
  }
  void block(void *pointer, const c10::Stream &stream) const override {
    returnToCurrent();
    if (pointer) await(stream, event(pointer).progress);
  }
  bool queryEvent(void *) const override { return true; }
  void synchronizeEvent(void *pointer) const override {
    if (pointer) wait("synchronize event");
  }
  // Milliseconds.
  double elapsedTime(void *first, void *second, c10::DeviceIndex) const override {
    returnToCurrent();
    TORCH_CHECK(first && second, "Both events must be recorded before calculating elapsed time.");
    TORCH_CHECK(event(first).keepsTime && event(second).keepsTime, "CUDA error: invalid resource handle");
    return std::chrono::duration<double, std::milli>(event(second).time - event(first).time).count();
  }

private:
  // These calls of CUDA's guard end with the device that was current, whether it has a context or not. Guards of operators
  // leave one without.
  static void returnToCurrent() { countContext(currentDevice()); }

  static c10::Stream stream(c10::DeviceIndex index, c10::StreamId id) {
    return c10::Stream(c10::Stream::UNSAFE, {c10::kCUDA, index}, id);
  }
};

C10_REGISTER_GUARD_IMPL(CUDA, Guard)

} // namespace

c10::DeviceIndex checked(c10::DeviceIndex index) {
  TORCH_CHECK(index < deviceCount, "CUDA error: invalid device ordinal (cuda:", int(index), " of ", int(deviceCount),
              ")");
  return index < 0 ? theCurrentDevice : index;
}

c10::DeviceIndex currentDevice() { return theCurrentDevice; }

c10::StreamId currentStream(c10::DeviceIndex index) { return currentStreams[index]; }

void setCurrentDevice(c10::DeviceIndex index) { theCurrentDevice = checked(index); }

} // namespace simulation

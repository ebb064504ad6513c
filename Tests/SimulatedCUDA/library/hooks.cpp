// The hooks by which libtorch's CPU half reaches its CUDA half: devices, generators, pinned memory.
#include "devices.h"
#include "memory.h"
#include "record.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/detail/CUDAHooksInterface.h>

namespace simulation {
namespace {

// The numbers of a CPU generator with the same seed.
struct DeviceGenerator final : c10::GeneratorImpl {
  at::Generator host;

  DeviceGenerator(c10::DeviceIndex index, at::Generator host)
      : c10::GeneratorImpl({c10::kCUDA, index}, c10::DispatchKeySet(c10::DispatchKey::CUDA)), host(std::move(host)) {}

  static c10::DeviceType device_type() { return c10::kCUDA; }
  void set_current_seed(uint64_t seed) override { host.set_current_seed(seed); }
  uint64_t current_seed() const override { return host.current_seed(); }
  uint64_t seed() override { return host.seed(); }
  void set_offset(uint64_t offset) override { host.set_offset(offset); }
  uint64_t get_offset() const override { return host.get_offset(); }
  void set_state(const c10::TensorImpl &state) override { host.unsafeGetGeneratorImpl()->set_state(state); }
  c10::intrusive_ptr<c10::TensorImpl> get_state() const override { return host.unsafeGetGeneratorImpl()->get_state(); }

private:
  DeviceGenerator *clone_impl() const override { return new DeviceGenerator(device().index(), host.clone()); }
};

struct Hooks final : at::CUDAHooksInterface {
  explicit Hooks(at::CUDAHooksArgs) {}

  void init() const override {}
  bool hasCUDA() const override { return true; }
  bool hasCuBLASLt() const override { return true; }
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  std::string showConfig() const override { return "  - Simulated CUDA\n"; }

  int getNumGPUs() const override { return simulation::deviceCount; }
  c10::DeviceIndex deviceCount() const override { return simulation::deviceCount; }
  c10::DeviceIndex current_device() const override { return currentDevice(); }
  c10::DeviceIndex getCurrentDevice() const override { return currentDevice(); }
  void setCurrentDevice(c10::DeviceIndex index) const override { simulation::setCurrentDevice(index); }
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex index) const override {
    const c10::DeviceIndex previous = currentDevice();
    simulation::setCurrentDevice(index);
    return previous;
  }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex index) const override { return exchangeDevice(index); }
  void deviceSynchronize(c10::DeviceIndex) const override { wait("synchronize device"); }

  const at::Generator &getDefaultGenerator(c10::DeviceIndex index) const override { return defaultGenerator(index); }
  at::Generator getNewGenerator(c10::DeviceIndex index) const override { return newGenerator(index); }

  c10::Allocator *getCUDADeviceAllocator() const override { return deviceAllocator(); }
  c10::Allocator *getPinnedMemoryAllocator() const override { return pinnedAllocator(); }
  bool isPinnedPtr(const void *pointer) const override { return isPinned(pointer); }
  c10::Device getDeviceFromPtr(void *pointer) const override {
    const auto index = deviceOf(pointer);
    TORCH_CHECK(index, "The specified pointer resides on host memory and is not registered with any CUDA device.");
    return {c10::kCUDA, *index};
  }
};

} // namespace

at::Generator newGenerator(c10::DeviceIndex index) {
  return at::make_generator<DeviceGenerator>(checked(index), at::detail::createCPUGenerator());
}

const at::Generator &defaultGenerator(c10::DeviceIndex index) {
  static const at::Generator generators[deviceCount] = {newGenerator(0), newGenerator(1)};
  return generators[checked(index)];
}

at::Generator hostGenerator(const at::Generator &generator) {
  TORCH_CHECK(generator.device().is_cuda(), "Expected a 'cuda' device type for generator but found '",
              generator.device().type(), "'");
  return static_cast<DeviceGenerator *>(generator.unsafeGetGeneratorImpl())->host;
}

void replaceHooks() {
  // libtorch keeps a reference to one object. Neither class has members, so that the other fits in its place.
  static_assert(sizeof(Hooks) == sizeof(at::CUDAHooksInterface));
  if (!at::detail::getCUDAHooks().hasCUDA())
    new (const_cast<at::CUDAHooksInterface *>(&at::detail::getCUDAHooks())) Hooks(at::CUDAHooksArgs());
}

} // namespace simulation

namespace at {
using CUDAHooks = simulation::Hooks;
REGISTER_CUDA_HOOKS(CUDAHooks)
} // namespace at

namespace at::cuda {
// The CUDA runtime's description of a device begins with its name.
struct DeviceProperties {
  char name[256];
  char rest[4096];
};
DeviceProperties *getDeviceProperties(c10::DeviceIndex) {
  static DeviceProperties properties = {"Simulated CUDA", {}};
  return &properties;
}
} // namespace at::cuda

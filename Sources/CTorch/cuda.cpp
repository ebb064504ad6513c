// libtorch's CUDA half: loaded at run time, so that one binary serves machines with a GPU and without.
#include "ctorch.h"
#include "ctorch_cuda.h"
#include "ctorch_failure.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <mutex>
#include <string>
#include <unistd.h>

struct CTorchEvent {
  c10::Event event;
};

namespace {

// What a machine with an NVIDIA driver lacks where no device is found.
const char *missingDevice() {
  return access("/dev/nvidiactl", F_OK) == 0
             ? "libtorch finds no CUDA device beside this NVIDIA driver: CUDA 13 needs driver 580 or later, and "
               "CUDA_VISIBLE_DEVICES must not hide the device"
             : "libtorch finds no CUDA device";
}

// Whether the CUDA half is loaded. libtorch's CUDA functions must not be called before.
std::atomic<bool> isLoaded = false;

c10::DeviceAllocator *allocator() { return c10::getDeviceAllocator(c10::DeviceType::CUDA); }

c10::DeviceIndex deviceIndex(int32_t index) { return static_cast<c10::DeviceIndex>(index); }

// Makes a GPU the current one of this thread, and leaves it so. Events, and waiting for a GPU, return to the one that was
// current before: on a thread that has used none that is the first, whose context would take half a gigabyte of it and
// fail in exclusive-process mode. A task of the program may continue on any thread.
void makeCurrent(c10::DeviceIndex index) {
  c10::impl::VirtualGuardImpl(c10::kCUDA).setDevice(c10::Device(c10::kCUDA, index));
}

// Environment variables that the libraries read when they are loaded or first used.
void prepareEnvironment() {
  // Some products are summed in a nondeterministic order unless cuBLAS has one of these two buffers; with another
  // value libtorch refuses every product.
  const char *workspace = std::getenv("CUBLAS_WORKSPACE_CONFIG");
  if (!workspace || (std::strcmp(workspace, ":4096:8") != 0 && std::strcmp(workspace, ":16:8") != 0))
    setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 1);
  // Expandable segments leave fewer gaps between the sizes of rollout, decoding and update. The user's own setting
  // has priority.
  if (!std::getenv("PYTORCH_CUDA_ALLOC_CONF") && !std::getenv("PYTORCH_ALLOC_CONF"))
    setenv("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True", 1);
}

struct IgnoredWarnings final : c10::WarningHandler {
  void process(const c10::Warning &) override {}
};

// Sums of half-precision products in float32, in one part or, with `splits`, in several.
void setProductSums(bool splits) {
  at::globalContext().setAllowBF16ReductionCuBLAS(false, splits);
  at::globalContext().setAllowFP16ReductionCuBLAS(false, splits);
}

// The same bits in every run, and the same kernels in rollout and update: docs/decisions/0015.
void chooseKernels() {
  at::Context &context = at::globalContext();
  // An operator without such a kernel is an error; with warnings only, flash attention's backward pass would be
  // nondeterministic.
  context.setDeterministicAlgorithms(true, /* warn_only: */ false);
  context.setDeterministicFillUninitializedMemory(false);
  context.setBenchmarkCuDNN(false);
  // One attention backend for each type of number, whether gradients are recorded or not.
  context.setSDPUseCuDNN(false);
  // In one part, so that they do not depend on the batch size. cuBLAS has no such option and cuBLASLt has; that libtorch
  // calls this choice experimental is no news to a user.
  setProductSums(false);
  {
    IgnoredWarnings ignored;
    const c10::WarningUtils::WarningHandlerGuard guard(&ignored);
    context.setBlasPreferredBackend(at::BlasBackend::Cublaslt);
  }
  context.setAllowFP16AccumulationCuBLAS(false);
  // float32 products keep 24 bits, regardless of the environment (TORCH_ALLOW_TF32_CUBLAS_OVERRIDE).
  context.setFloat32MatmulPrecision("highest");
  context.setAllowTF32CuDNN(false);
}

// Passes that may split, and their lock.
std::mutex splitting;
int splitCount = 0;

} // namespace

SplitProducts::SplitProducts() : isOnDevice(isLoaded) {
  if (!isOnDevice) return;
  const std::lock_guard lock(splitting);
  if (splitCount++ == 0) setProductSums(true);
}

SplitProducts::~SplitProducts() {
  if (!isOnDevice) return;
  const std::lock_guard lock(splitting);
  if (--splitCount == 0) setProductSums(false);
}

bool ctorch_load_cuda(void) {
  prepareEnvironment();
  if (!dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL)) {
    const char *message = dlerror();
    failure = {std::string(message ? message : "libtorch_cuda.so could not be loaded") +
                   " (`CUDA=1 make build` fetches CUDA's libraries)",
               false};
    return false;
  }
  return guarded([] {
    // libtorch chooses its CUDA hooks once per process.
    TORCH_CHECK(at::detail::getCUDAHooks().isBuilt(),
                "libtorch's CUDA hooks were used before its CUDA half was loaded");
    TORCH_CHECK(at::hasCUDA(), missingDevice());
    chooseKernels();
    isLoaded = true;
  });
}

int32_t ctorch_cuda_device_count(void) {
  int32_t count = 0;
  if (isLoaded) guarded([&] { count = at::detail::getCUDAHooks().deviceCount(); });
  return count;
}

const char *ctorch_cuda_device_name(int32_t index) {
  // The result points to a structure of the CUDA runtime whose first member is the name.
  typedef const char *(*Properties)(c10::DeviceIndex);
  static const auto properties =
      reinterpret_cast<Properties>(dlsym(RTLD_DEFAULT, "_ZN2at4cuda19getDevicePropertiesEa"));
  const char *name = nullptr;
  if (properties) guarded([&] { name = properties(deviceIndex(index)); });
  return name;
}

void ctorch_cuda_synchronize(int32_t index) {
  guarded([&] {
    makeCurrent(deviceIndex(index));
    c10::impl::VirtualGuardImpl(c10::kCUDA).synchronizeDevice(deviceIndex(index));
  });
}

void ctorch_cuda_empty_cache(void) {
  if (isLoaded) guarded([] { allocator()->emptyCache(); });
}

bool ctorch_cuda_uses_tf32(void) {
  return isLoaded && (at::globalContext().allowTF32CuBLAS() || at::globalContext().allowTF32CuDNN());
}

bool ctorch_cuda_set_device(int32_t index) {
  return guarded([&] { makeCurrent(deviceIndex(index)); });
}

bool ctorch_cuda_memory(int32_t index, int64_t *whole, int64_t *free) {
  return guarded([&] {
    const auto [unused, all] = allocator()->getMemoryInfo(deviceIndex(index));
    *whole = static_cast<int64_t>(all);
    *free = static_cast<int64_t>(unused);
  });
}

int64_t ctorch_cuda_peak_memory(int32_t index) {
  int64_t bytes = -1;
  guarded([&] { bytes = allocator()->getDeviceStats(deviceIndex(index)).allocated_bytes[0].peak; });
  return bytes;
}

bool ctorch_cuda_reset_peak_memory(int32_t index) {
  return guarded([&] { allocator()->resetPeakStats(deviceIndex(index)); });
}

CTorchEvent *ctorch_event(int32_t index) {
  CTorchEvent *result = nullptr;
  guarded([&] {
    makeCurrent(deviceIndex(index));
    const c10::impl::VirtualGuardImpl guard(c10::kCUDA);
    // The flag enables timing.
    c10::Event event(c10::kCUDA, c10::EventFlag::BACKEND_DEFAULT);
    event.record(guard.getStream(c10::Device(c10::kCUDA, deviceIndex(index))));
    result = new CTorchEvent{std::move(event)};
  });
  return result;
}
void ctorch_event_release(CTorchEvent *event) {
  guarded([&] { makeCurrent(event->event.device_index()); });
  delete event;
}
double ctorch_event_seconds(const CTorchEvent *first, const CTorchEvent *second) {
  double seconds = -1;
  guarded([&] {
    makeCurrent(first->event.device_index());
    first->event.synchronize();
    second->event.synchronize();
    seconds = first->event.elapsedTime(second->event) / 1000;
  });
  return seconds;
}
bool ctorch_event_block(const CTorchEvent *event, int32_t index) {
  return guarded([&] {
    makeCurrent(deviceIndex(index));
    event->event.block(c10::impl::VirtualGuardImpl(c10::kCUDA).getStream(c10::Device(c10::kCUDA, deviceIndex(index))));
  });
}

bool ctorch_pool_stream(int32_t index, int64_t *stream) {
  return guarded([&] {
    const c10::Device device(c10::kCUDA, deviceIndex(index));
    *stream = c10::impl::VirtualGuardImpl(c10::kCUDA).getStreamFromGlobalPool(device).id();
  });
}
bool ctorch_exchange_stream(int32_t index, int64_t *stream) {
  return guarded([&] {
    const c10::Stream next(c10::Stream::UNSAFE, c10::Device(c10::kCUDA, deviceIndex(index)), *stream);
    *stream = c10::impl::VirtualGuardImpl(c10::kCUDA).exchangeStream(next).id();
  });
}

#include "ctorch_nccl.h"

#include <c10/util/Exception.h>

#include <dlfcn.h>
#include <memory>

namespace {

// The two constructors by their names in libtorch_cuda.so. Its headers need CUDA's and NCCL's, so both objects are made
// in memory that is larger than they are; their virtual destructors free it.
constexpr const char *optionsName = "_ZN4c10d16ProcessGroupNCCL7OptionsC1Eb";
constexpr const char *groupName =
    "_ZN4c10d16ProcessGroupNCCLC1EN3c1013intrusive_ptrINS_5StoreENS1_6detail34intrusive_target_default_null_typeIS3_EEEE"
    "iiNS2_INS0_7OptionsENS5_IS8_EEEE";
constexpr size_t optionsBytes = 4096, groupBytes = 65536;

using MakeOptions = void (*)(void *, bool);
using MakeGroup = void (*)(void *, c10::intrusive_ptr<c10d::Store>, int, int,
                           c10::intrusive_ptr<c10d::Backend::Options>);

template <typename Function> Function find(const char *name) {
  void *address = dlsym(RTLD_DEFAULT, name);
  TORCH_CHECK(address, "libtorch's CUDA library has no ", name,
              ", so processes cannot use NCCL: install the PyTorch release that this build is for, with CUDA");
  return reinterpret_cast<Function>(address);
}

// An object that `make` constructs.
template <typename Type, typename Make> c10::intrusive_ptr<Type> placed(size_t bytes, Make make) {
  void *memory = ::operator new(bytes);
  try {
    make(memory);
  } catch (...) {
    ::operator delete(memory);
    throw;
  }
  return c10::intrusive_ptr<Type>::unsafe_steal_from_new(static_cast<Type *>(memory));
}

} // namespace

c10::intrusive_ptr<c10d::Backend> makeNCCL(c10::intrusive_ptr<c10d::Store> store, int rank, int size, int device,
                                           std::chrono::milliseconds timeout) {
  const auto makeOptions = find<MakeOptions>(optionsName);
  const auto makeGroup = find<MakeGroup>(groupName);
  auto options = placed<c10d::Backend::Options>(optionsBytes, [&](void *memory) { makeOptions(memory, false); });
  options->timeout = timeout;
  auto group = placed<c10d::Backend>(
      groupBytes, [&](void *memory) { makeGroup(memory, std::move(store), rank, size, options); });
  // Collectives without a tensor (barriers) then use this GPU.
  group->setBoundDeviceId(c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(device)));
  return group;
}

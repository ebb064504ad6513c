#include "ctorch_nccl.h"
#include "ctorch.h"
#include "ctorch_failure.h"

#include <c10/util/Exception.h>

#include <cstdlib>
#include <dlfcn.h>

namespace {

using MakeOptions = void (*)(void *, bool);
using MakeGroup = void (*)(void *, c10::intrusive_ptr<c10d::Store>, int, int,
                           c10::intrusive_ptr<c10d::Backend::Options>);

// The two constructors by their names in libtorch_cuda.so.
constexpr const char *optionsName = "_ZN4c10d16ProcessGroupNCCL7OptionsC1Eb";
constexpr const char *groupName =
    "_ZN4c10d16ProcessGroupNCCLC1EN3c1013intrusive_ptrINS_5StoreENS1_6detail34intrusive_target_default_null_typeIS3_EEEE"
    "iiNS2_INS0_7OptionsENS5_IS8_EEEE";

// The loaded library, NULL without one. The process keeps it to its end.
void *library() { return dlopen("libtorch_cuda.so", RTLD_LAZY | RTLD_NOLOAD); }

// What `makeNCCL` calls.
struct Constructors {
  MakeOptions makeOptions;
  MakeGroup makeGroup;

  Constructors() {
    void *const found = library();
    TORCH_CHECK(found, "processes cannot use NCCL: libtorch's CUDA library is not loaded");
    makeOptions = reinterpret_cast<MakeOptions>(dlsym(found, optionsName));
    makeGroup = reinterpret_cast<MakeGroup>(dlsym(found, groupName));
    TORCH_CHECK(makeOptions && makeGroup, "processes cannot use NCCL: libtorch_cuda.so has no constructor of "
                "c10d::ProcessGroupNCCL", makeGroup ? "::Options" : "",
                " as PyTorch 2.11 for CUDA has it; install that release");
  }
};

// An object that `make` constructs in `bytes` of memory, which its virtual destructor frees.
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

void requireNCCL() { (void)Constructors(); }

c10::intrusive_ptr<c10d::Backend> makeNCCL(c10::intrusive_ptr<c10d::Store> store, int rank, int size,
                                           std::chrono::milliseconds timeout) {
  const Constructors constructors;
  auto options = placed<c10d::Backend::Options>(ncclOptionsBytes,
                                                [&](void *memory) { constructors.makeOptions(memory, false); });
  options->timeout = timeout;
  // Its monitor would ask the store every second whether another process wants a dump, without a time-out: where the
  // store's process is stopped, the group's destructor would wait for that answer forever.
  setenv("TORCH_NCCL_DUMP_ON_TIMEOUT", "0", 0);
  return placed<c10d::Backend>(
      ncclGroupBytes, [&](void *memory) { constructors.makeGroup(memory, std::move(store), rank, size, options); });
}

bool ctorch_check_nccl(void) {
  return guarded([] { requireNCCL(); });
}

int32_t ctorch_nccl_version(void) {
  using Version = int (*)(int *);
  void *const found = library();
  const auto get = found ? reinterpret_cast<Version>(dlsym(found, "ncclGetVersion")) : nullptr;
  int version = 0;
  return get && get(&version) == 0 ? version : 0;
}

// Joins processes of a CUDA device by the product's own code, without a GPU, in one of three processes:
//   nccl none        without a CUDA library
//   nccl simulated   with the simulated one, which has no NCCL: its folder is in LD_LIBRARY_PATH
//   nccl real        with libtorch's real one, up to NCCL's search for a GPU; exits with 77 if this libtorch has none
#include "ctorch.h"
#include "ctorch_failure.h"
#include "ctorch_nccl.h"
#include "real_library.h"

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <memory>

namespace {

bool isPassing = true;

void check(const std::string &name, bool isTrue, const std::string &found) {
  isPassing &= isTrue;
  std::cout << (isTrue ? "ok " : "FAIL ") << name << ": " << found << std::endl;
}

// The error of a world of one on cuda:0.
std::string joinError() {
  int32_t port = 0;
  CTorchStore *store = ctorch_store("127.0.0.1", &port, /* serves */ true, /* worker_count */ 1, "", 20000);
  if (!store) return "no store: " + failure.message;
  CTorchProcessGroup *group = ctorch_process_group(store, /* rank */ 0, /* size */ 1, 20000);
  const bool isJoined = group && ctorch_process_group_add_cuda(group, store, 20000);
  const std::string error = isJoined ? "none" : failure.message;
  if (group) ctorch_process_group_release(group);
  ctorch_store_release(store);
  return error;
}

void checkJoinError(const std::string &expected) {
  const std::string error = joinError();
  check("joining says " + expected, error.find(expected) != std::string::npos, error);
}

// The size that a deleting destructor passes to operator delete, from its code: `mov esi, SIZE`. 0 without such code.
uint32_t deletedBytes(const void *destructor) {
  const auto *code = static_cast<const uint8_t *>(destructor);
  for (int offset = 0; offset < 400; ++offset)
    if (code[offset] == 0xbe && code[offset + 3] == 0 && code[offset + 4] == 0) {
      uint32_t size;
      std::memcpy(&size, code + offset + 1, sizeof size);
      return size;
    }
  return 0;
}

void checkSizes() {
  void *library = dlopen("libtorch_cuda.so", RTLD_LAZY | RTLD_NOLOAD);
  const uint32_t group = deletedBytes(dlsym(library, "_ZN4c10d16ProcessGroupNCCLD0Ev"));
  check("a group fits in a quarter of its memory", group > 500 && 4 * group <= ncclGroupBytes, std::to_string(group));
  // A virtual table begins with an offset, the type and both destructors; the second deletes.
  void **table = static_cast<void **>(dlsym(library, "_ZTVN4c10d16ProcessGroupNCCL7OptionsE"));
  const uint32_t options = deletedBytes(table[3]);
  check("options fit in a quarter of their memory", options > 100 && 4 * options <= ncclOptionsBytes,
        std::to_string(options));
}

int checkReal() {
  if (!std::filesystem::exists(real_library::path())) {
    std::cout << "this libtorch has no CUDA half: " << real_library::path().string() << " does not exist" << std::endl;
    return 77;
  }
  const std::string reason =
      real_library::load(std::filesystem::read_symlink("/proc/self/exe").parent_path() / "real");
  check("the real library is loaded", reason.empty(), reason);
  if (!isPassing) return 1;
  check("NCCL's process group is found", ctorch_check_nccl(), failure.message);
  checkSizes();
  checkJoinError("ProcessGroupNCCL is only supported with GPUs, no GPUs found!");
  return !isPassing;
}

} // namespace

int main(int count, char **arguments) {
  const std::string mode = count == 2 ? arguments[1] : "";
  if (mode == "real") return checkReal();
  if (mode == "simulated") {
    check("the simulated library is loaded", ctorch_load_cuda(), failure.message);
    check("NCCL is not found", !ctorch_check_nccl(), failure.message);
    checkJoinError("libtorch_cuda.so has no constructor of c10d::ProcessGroupNCCL");
    check("its version is unknown", ctorch_nccl_version() == 0, std::to_string(ctorch_nccl_version()));
    return !isPassing;
  }
  if (mode == "none") {
    checkJoinError("libtorch's CUDA library is not loaded");
    return !isPassing;
  }
  return 2;
}

// Named in LD_PRELOAD, loads libtorch's real CUDA library into any program on a machine without a GPU, before the
// program itself loads it.
#include "real_library.h"

#include <cstdio>
#include <cstdlib>

__attribute__((constructor)) static void loadRealLibrary() {
  Dl_info self;
  dladdr(reinterpret_cast<void *>(&loadRealLibrary), &self);
  const std::string reason = real_library::load(std::filesystem::path(self.dli_fname).parent_path() / "real");
  if (reason.empty()) return;
  std::fprintf(stderr, "%s\n", reason.c_str());
  std::exit(1);
}

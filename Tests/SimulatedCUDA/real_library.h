// libtorch's real CUDA library, loaded on a machine without a GPU or driver: libraries that the wheel's CUDA half links
// to and that are not installed are replaced by empty ones, and no function of theirs may be called.
#pragma once

#include <dlfcn.h>
#include <filesystem>
#include <string>

namespace real_library {

inline std::filesystem::path path() { return std::filesystem::path(TORCH_FOLDER) / "lib" / "libtorch_cuda.so"; }

// Loads it, and before it what the folder `stubs` has. Libraries that need one of these names then take what is loaded,
// and so does a later dlopen("libtorch_cuda.so"). Returns why it cannot be loaded; empty if it is.
//
// The functions of empty libraries do not exist, so that names are looked up when they are first called.
inline std::string load(const std::filesystem::path &stubs) {
  for (const auto &entry : std::filesystem::directory_iterator(stubs))
    if (entry.path().filename().string().find(".so") != std::string::npos &&
        !dlopen(entry.path().c_str(), RTLD_LAZY | RTLD_GLOBAL))
      return dlerror();
  return dlopen(path().c_str(), RTLD_LAZY | RTLD_GLOBAL) ? "" : dlerror();
}

} // namespace real_library

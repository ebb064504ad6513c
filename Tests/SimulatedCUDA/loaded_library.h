// The simulated library, loaded the way the product loads CUDA's, and its functions.
#pragma once

#include "simulated_cuda.h"

#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>

#define SIMULATED_CUDA_FUNCTION(name) \
  using Function_##name = decltype(&simulated_cuda_##name); \
  Function_##name name = reinterpret_cast<Function_##name>(find("simulated_cuda_" #name))

class LoadedLibrary {
  void *library = dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL);

  void *find(const char *name) const {
    void *function = library ? dlsym(library, name) : nullptr;
    if (!function) {
      std::printf("FAIL loading: %s\n", dlerror());
      std::exit(1);
    }
    return function;
  }

public:
  SIMULATED_CUDA_FUNCTION(reset);
  SIMULATED_CUDA_FUNCTION(kernels);
  SIMULATED_CUDA_FUNCTION(waits);
  SIMULATED_CUDA_FUNCTION(uploads);
  SIMULATED_CUDA_FUNCTION(uploads_beside);
  SIMULATED_CUDA_FUNCTION(split_products);
  SIMULATED_CUDA_FUNCTION(cache_releases);
  SIMULATED_CUDA_FUNCTION(waits_by_name);
  SIMULATED_CUDA_FUNCTION(kernels_by_name);
  SIMULATED_CUDA_FUNCTION(forbid_waits);
  SIMULATED_CUDA_FUNCTION(bytes);
  SIMULATED_CUDA_FUNCTION(peak_bytes);
  SIMULATED_CUDA_FUNCTION(set_memory_limit);
  SIMULATED_CUDA_FUNCTION(attach_late);
};

#undef SIMULATED_CUDA_FUNCTION

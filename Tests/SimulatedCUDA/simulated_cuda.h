// What tests set and read on the simulated CUDA devices: functions of the simulated libtorch_cuda.so, found by dlsym.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Counts since the process started or since the last reset, over all devices.
void simulated_cuda_reset(void);
// Operators that ran on a device; views and allocations are none.
long simulated_cuda_kernels(void);
// Places at which the host of a GPU would have waited for it.
long simulated_cuda_waits(void);
// Copies from the host's memory to a device.
long simulated_cuda_uploads(void);
// Those on a stream beside the default one.
long simulated_cuda_uploads_beside(void);
// Half-precision products whose sums may be split.
long simulated_cuda_split_products(void);
// Calls that made a device the current one, each of which opens its context where there is none.
long simulated_cuda_contexts(int32_t device);
// Calls that emptied the allocator's cache.
long simulated_cuda_cache_releases(void);

// Lines "COUNT NAME", most frequent first. The text lasts until the calling thread's next call of one of these.
const char *simulated_cuda_waits_by_name(void);
const char *simulated_cuda_kernels_by_name(void);

// While true, whatever would make the host wait throws c10::Error with its name.
void simulated_cuda_forbid_waits(bool forbidden);

// Bytes of tensors on a device: now, and at most since the process started.
int64_t simulated_cuda_bytes(int32_t device);
int64_t simulated_cuda_peak_bytes(int32_t device);
// Memory of each device. The environment variable SIMULATED_CUDA_MEMORY sets it at the start; 80 GiB otherwise.
void simulated_cuda_set_memory_limit(int64_t bytes);

// Makes the devices usable in a process that ran a backward pass before the library was loaded. Such a process has no
// hooks for CUDA and no threads for devices until it ends, and fails with a GPU. For tests that share a process.
void simulated_cuda_attach_late(void);

#ifdef __cplusplus
}
#endif

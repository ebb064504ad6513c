// Which of this library's kernels for processors are on. The environment's TEMPFLOW_CPU_KERNELS is read once: `all`
// (as without it), `off`, or the names of those that are to be on, separated by commas. A kernel that is off leaves its
// work to libtorch's operators.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Their names, in this order: attention, gelu, rms_norm, matrix_product, bfloat16_product, joint_block, modulated_norm,
/// normal.
typedef enum {
  CTORCH_KERNEL_ATTENTION,
  CTORCH_KERNEL_GELU,
  CTORCH_KERNEL_RMS_NORM,
  CTORCH_KERNEL_MATRIX_PRODUCT,
  CTORCH_KERNEL_BFLOAT16_PRODUCT,
  CTORCH_KERNEL_JOINT_BLOCK,
  CTORCH_KERNEL_MODULATED_NORM,
  CTORCH_KERNEL_NORMAL,
  CTORCH_KERNEL_COUNT,
} CTorchKernel;

const char *ctorch_kernel_name(CTorchKernel kernel);
bool ctorch_kernel_is_on(CTorchKernel kernel);
/// Why it is off; NULL where it is on.
const char *ctorch_kernel_off_reason(CTorchKernel kernel);
/// The first name in the environment that no kernel has; NULL without one. Every kernel is off then.
const char *ctorch_unknown_kernel(void);
/// Where libtorch's kernel for processors of an operator was registered, such as "/pytorch/build/RegisterCPU.cpp:123";
/// empty where it has none. Valid until the thread's next call.
const char *ctorch_kernel_origin(const char *name, const char *overload);

#ifdef __cplusplus
}
#endif

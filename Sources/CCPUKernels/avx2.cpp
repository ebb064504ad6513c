// All kernels once more, for processors that have AVX2 and not AVX-512.

#define KERNELS_AVX2
// Functions that take vectors are inlined, so that no call depends on the registers that hold them.
#pragma clang diagnostic ignored "-Wpsabi"

#include "ada_layer_norm.cpp"
#include "attention.cpp"
#include "attention_backward.cpp"
#include "gemm.cpp"
#include "joint_block.cpp"
#include "joint_block_autograd.cpp"
#include "joint_block_backward.cpp"
#include "joint_block_functions.cpp"

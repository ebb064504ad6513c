// The C interface of this package's kernels for CPUs, which compute in float32 on the calling thread.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A tensor of CTorch: contiguous float32 on the CPU, its last dimension a multiple of 16.
typedef struct CTorchTensor CTorchTensor;

/// A linear layer: `[out, in]` and `[out]`, which may be NULL. An absent layer has no weight.
typedef struct {
  const CTorchTensor *weight, *bias;
} CPULinear;

/// The layers of one stream of tokens in a joint block. The modulation's parts are shift, scale and gate of
/// attention, then of the feed-forward layers. A stream without `output` has no queries and no output; its
/// modulation's parts are scale and shift.
typedef struct {
  CPULinear modulation, query, key, value, output, up, down;
  const CTorchTensor *query_norm, *key_norm; // [D / heads] or NULL
} CPUBlockStream;

/// A transformer block whose attention joins two streams of tokens (MMDiT); release with `cpu_joint_block_release`.
/// Weights are packed once in each row scope of CTorch, and must not change within it.
typedef struct CPUJointBlock CPUJointBlock;

/// "AVX-512" or "AVX2", by libtorch's choice; NULL on other processors.
const char *cpu_kernel_instructions(void);

/// Why this processor does not support the joint block; NULL if it does.
const char *cpu_joint_block_unsupported(void);
/// Requires a supported processor. Retains the weights.
CPUJointBlock *cpu_joint_block(const CPUBlockStream *streams, int64_t heads, int64_t width);
void cpu_joint_block_release(CPUJointBlock *block);

/// `[B, S, D], [B, T, D], [B, D] -> the first two`; the second is NULL if the second stream has no `output`.
/// `key_bias`, which may be NULL, has one element per key, those of the first stream first, and is added to the
/// logits. With `record` the outputs have a backward pass. False after a failure, which CTorch's last error
/// describes.
bool cpu_joint_block_forward(CPUJointBlock *block, const CTorchTensor *const *inputs, const CTorchTensor *key_bias,
                             double epsilon, bool record, CTorchTensor **outputs);

#ifdef __cplusplus
}
#endif

// NCCL's process group, which libtorch_cuda.so holds: loaded at run time, never linked.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>

// Throws when libtorch's CUDA half is not loaded or lacks NCCL, or NCCL finds no GPU.
c10::intrusive_ptr<c10d::Backend> makeNCCL(c10::intrusive_ptr<c10d::Store> store, int rank, int size, int device,
                                           std::chrono::milliseconds timeout);

// NCCL's process group, which libtorch_cuda.so holds: loaded at run time, never linked.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <cstddef>

// Memory for an object of ProcessGroupNCCL::Options and one of ProcessGroupNCCL, whose headers need CUDA's and NCCL's.
// In PyTorch 2.11.0 for CUDA 13 they have 248 and 1112 bytes (0xf8 and 0x458 in `objdump -d`): what libtorch_python.so
// passes to operator new before it calls the same constructors, and what the deleting destructors in libtorch_cuda.so
// pass to operator delete, which Tests/SimulatedCUDA/nccl.cpp reads. glibc's operator delete disregards that size.
constexpr size_t ncclOptionsBytes = 4096, ncclGroupBytes = 65536;

// Throws unless libtorch's CUDA half is loaded and holds what `makeNCCL` calls.
void requireNCCL();

// Throws when NCCL is missing or finds no GPU. A collective that takes longer than `timeout` ends the process.
c10::intrusive_ptr<c10d::Backend> makeNCCL(c10::intrusive_ptr<c10d::Store> store, int rank, int size,
                                           std::chrono::milliseconds timeout);

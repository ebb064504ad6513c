// Kernels of the simulation's own, registered for CUDA.
#pragma once

namespace torch {
class Library;
}

namespace simulation {

// Allocation, copies between host and devices, numbers read by the host, views.
void registerTensorKernels(torch::Library &library);
// Operators that are one kernel on a GPU and several, or one of another name, on the CPU: attention, RMS norm.
void registerFusedKernels(torch::Library &library);

} // namespace simulation

// An operator's tensors, as tensors of the CPU over the same bytes.
#pragma once

#include "memory.h"

#include <ATen/core/Tensor.h>
#include <unordered_map>
#include <vector>

namespace simulation {

// One operator's run on the host. New results are allocated on `target`.
class HostCall {
public:
  explicit HostCall(c10::Device target) : target(target) {}

  // A CPU tensor over the bytes of a tensor of a device; any other tensor as it is.
  at::Tensor host(const at::Tensor &tensor);

  // What a result of the CPU is on the device: an argument that was returned, a view of an argument, or a new tensor.
  at::Tensor device(const at::Tensor &result);

  // Gives the tensors of the device the sizes that the operator gave to theirs on the host, and memory for them.
  void adoptResizes();

private:
  template <typename Value> struct Twins {
    Value device, host;
  };

  const c10::Device target;
  std::vector<Twins<at::Tensor>> tensors;
  std::vector<Twins<c10::Storage>> storages;
  // Positions in these, since a call may have thousands of tensors.
  std::unordered_map<const c10::TensorImpl *, size_t> byHostTensor;
  std::unordered_map<const c10::StorageImpl *, size_t> byDeviceStorage, byHostStorage;

  size_t add(c10::Storage device, c10::Storage host);
};

} // namespace simulation

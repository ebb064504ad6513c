// What a `CTorchTensor *` points to.
#pragma once

#include "ctorch.h"

#include <ATen/core/Tensor.h>
#include <c10/core/TensorImpl.h>

inline c10::TensorImpl *implementation(const CTorchTensor *tensor) {
  return reinterpret_cast<c10::TensorImpl *>(const_cast<CTorchTensor *>(tensor));
}

// Undefined for null.
inline at::Tensor borrow(const CTorchTensor *tensor) {
  return tensor ? at::Tensor(c10::intrusive_ptr<at::TensorImpl>::reclaim_copy(implementation(tensor))) : at::Tensor();
}

inline CTorchTensor *own(at::Tensor tensor) {
  return reinterpret_cast<CTorchTensor *>(tensor.unsafeReleaseTensorImpl());
}

inline float *numbers(const CTorchTensor *tensor) {
  return static_cast<float *>(implementation(tensor)->mutable_data());
}

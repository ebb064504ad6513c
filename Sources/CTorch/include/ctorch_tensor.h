// The target of a `CTorchTensor *`, for C++ targets over this shim.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/TensorImpl.h>

typedef struct CTorchTensor CTorchTensor;

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

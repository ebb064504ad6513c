// What a `CTorchTensor *` points to.
#pragma once

#include "ctorch.h"

#include <c10/core/TensorImpl.h>

inline c10::TensorImpl *implementation(const CTorchTensor *tensor) {
  return reinterpret_cast<c10::TensorImpl *>(const_cast<CTorchTensor *>(tensor));
}

// Allocation, copies between host and devices, numbers read by the host, views.
#include "devices.h"
#include "host_call.h"
#include "kernels.h"
#include "record.h"

#include <ATen/EmptyTensor.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/DeviceGuard.h>
#include <cstring>
#include <torch/library.h>

namespace simulation {
namespace {

constexpr c10::DispatchKeySet keys(c10::DispatchKey::CUDA);

// Numbers that were never written are NaN, so that results show it when they are read.
at::Tensor unwritten(const at::TensorBase &tensor) {
  if (tensor.scalar_type() != c10::kBool && tensor.numel() > 0)
    std::memset(hostAddress(tensor.const_data_ptr()), 0xFF, tensor.storage().nbytes());
  return at::Tensor(tensor);
}

at::Tensor empty(c10::IntArrayRef size, std::optional<at::ScalarType> type, std::optional<at::Layout>,
                 std::optional<at::Device> device, std::optional<bool> pinned,
                 std::optional<at::MemoryFormat> format) {
  TORCH_CHECK(!pinned.value_or(false), "Only dense CPU tensors can be pinned");
  const c10::OptionalDeviceGuard guard(device);
  return unwritten(at::detail::empty_generic(size, deviceAllocator(), keys, type.value_or(at::kFloat), format));
}

at::Tensor emptyStrided(c10::IntArrayRef size, c10::IntArrayRef stride, std::optional<at::ScalarType> type,
                        std::optional<at::Layout>, std::optional<at::Device> device, std::optional<bool>) {
  const c10::OptionalDeviceGuard guard(device);
  return unwritten(
      at::detail::empty_strided_generic(size, stride, deviceAllocator(), keys, type.value_or(at::kFloat)));
}

// Within a device, between devices and to and from the host.
at::Tensor &copy(at::Tensor &self, const at::Tensor &source, bool nonBlocking) {
  if (self.numel() > 0) {
    if (self.is_cuda() && source.is_cuda()) {
      countKernel("aten::copy_");
    } else if (self.is_cuda()) {
      countUpload(currentStream(self.device().index()) != 0);
      if (!nonBlocking) wait("blocking copy from host");
    } else if (!nonBlocking || !isPinned(self.const_data_ptr())) {
      wait("copy to host");
    }
  }
  HostCall call(self.device());
  call.host(self).copy_(call.host(source));
  return self;
}

at::Scalar item(const at::Tensor &self) {
  wait("item");
  HostCall call(self.device());
  return call.host(self).item();
}

at::Tensor asStrided(const at::Tensor &self, c10::IntArrayRef size, c10::IntArrayRef stride,
                     std::optional<int64_t> offset) {
  return at::native::as_strided_tensorimpl(self, size, stride, offset);
}

void recordStream(at::Tensor &, c10::Stream) {}

} // namespace

void registerTensorKernels(torch::Library &library) {
  library.impl("empty.memory_format", &empty);
  library.impl("empty_strided", &emptyStrided);
  library.impl("copy_", &copy);
  library.impl("_local_scalar_dense", &item);
  library.impl("record_stream", &recordStream);
  library.impl("as_strided", &asStrided);
  library.impl("view", static_cast<at::Tensor (*)(const at::Tensor &, c10::IntArrayRef)>(&at::native::view));
  library.impl("_reshape_alias", &at::native::_reshape_alias);
  library.impl("unfold", &at::native::unfold);
  library.impl("set_.source_Storage_storage_offset", &at::native::set_storage_cpu_);
}

} // namespace simulation

#include "host_call.h"

#include "order.h"

#include <cstring>

namespace simulation {
namespace {

// A tensor of one backend with the sizes, strides and type of another over `storage`.
at::Tensor like(const at::Tensor &model, c10::Storage storage, c10::DispatchKey key) {
  auto tensor = at::detail::make_tensor<c10::TensorImpl>(std::move(storage), c10::DispatchKeySet(key), model.dtype());
  c10::TensorImpl *implementation = tensor.unsafeGetTensorImpl();
  implementation->set_sizes_and_strides(model.sizes(), model.strides(), model.storage_offset());
  if (model.unsafeGetTensorImpl()->is_wrapped_number()) implementation->set_wrapped_number(true);
  return tensor;
}

c10::Storage hostStorage(const c10::Storage &device) {
  return {c10::Storage::use_byte_size_t(), device.nbytes(), c10::DataPtr(hostAddress(device.data()), c10::kCPU),
          c10::GetAllocator(c10::kCPU), device.resizable()};
}

// Device memory with the bytes of a storage of the host, taken from it if nothing else refers to it.
c10::DataPtr moved(const c10::Storage &host, c10::DeviceIndex device) {
  if (host.use_count() == 1) return adopt(host.unsafeGetStorageImpl()->set_data_ptr({}), host.nbytes(), device);
  c10::DataPtr memory = allocate(host.nbytes(), device);
  if (host.nbytes() > 0) std::memcpy(hostAddress(memory.get()), host.data(), host.nbytes());
  return memory;
}

void requireStrides(const at::Tensor &tensor) {
  TORCH_CHECK_NOT_IMPLEMENTED(tensor.layout() == c10::kStrided, "only strided tensors are simulated");
}

} // namespace

size_t HostCall::add(c10::Storage device, c10::Storage host) {
  byDeviceStorage[device.unsafeGetStorageImpl()] = byHostStorage[host.unsafeGetStorageImpl()] = storages.size();
  storages.push_back({std::move(device), std::move(host)});
  return storages.size() - 1;
}

at::Tensor HostCall::host(const at::Tensor &tensor) {
  if (!tensor.defined() || !tensor.is_cuda()) return tensor;
  requireStrides(tensor);
  use(tensor.storage().data(), tensor.device().index());
  const auto found = byDeviceStorage.find(tensor.storage().unsafeGetStorageImpl());
  const size_t storage =
      found != byDeviceStorage.end() ? found->second : add(tensor.storage(), hostStorage(tensor.storage()));
  at::Tensor twin = like(tensor, storages[storage].host, c10::DispatchKey::CPU);
  byHostTensor[twin.unsafeGetTensorImpl()] = tensors.size();
  tensors.push_back({tensor, twin});
  return twin;
}

at::Tensor HostCall::device(const at::Tensor &result) {
  if (!result.defined() || !result.is_cpu()) return result;
  requireStrides(result);
  if (const auto found = byHostTensor.find(result.unsafeGetTensorImpl()); found != byHostTensor.end())
    return tensors[found->second].device;
  const c10::Storage &host = result.storage();
  const auto found = byHostStorage.find(host.unsafeGetStorageImpl());
  if (found != byHostStorage.end()) return like(result, storages[found->second].device, c10::DispatchKey::CUDA);
  c10::Storage device(c10::Storage::use_byte_size_t(), host.nbytes(), moved(host, target.index()), deviceAllocator(),
                     true);
  return like(result, storages[add(std::move(device), host)].device, c10::DispatchKey::CUDA);
}

void HostCall::adoptResizes() {
  for (const auto &[device, host] : storages) {
    if (host.data() == hostAddress(device.data())) continue;
    c10::StorageImpl *resized = device.unsafeGetStorageImpl();
    resized->set_data_ptr_noswap(moved(host, device.device().index()));
    resized->set_nbytes(host.nbytes());
  }
  for (const auto &[device, host] : tensors) {
    TORCH_CHECK_NOT_IMPLEMENTED(byHostStorage.contains(host.storage().unsafeGetStorageImpl()),
                                "an operator that gives a tensor another storage is not simulated");
    if (device.sizes() != host.sizes() || device.strides() != host.strides() ||
        device.storage_offset() != host.storage_offset())
      device.unsafeGetTensorImpl()->set_sizes_and_strides(host.sizes(), host.strides(), host.storage_offset());
  }
}

} // namespace simulation

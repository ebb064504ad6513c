// Runs the CPU's kernel, on the same bytes, for every operator that has no kernel in tensors.cpp or fused.cpp.
#include "devices.h"
#include "host_call.h"
#include "kernels.h"
#include "record.h"
#include "rules.h"

#include <torch/library.h>

namespace simulation {
namespace {

// The arguments for the CPU's kernel.
c10::IValue hostValue(HostCall &call, const c10::IValue &value) {
  if (value.isTensor()) return call.host(value.toTensor());
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor &tensor : value.toTensorVector()) list.push_back(call.host(tensor));
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<at::Tensor>> list;
    for (const std::optional<at::Tensor> &tensor : value.toOptionalTensorVector())
      list.push_back(tensor ? std::optional(call.host(*tensor)) : tensor);
    return list;
  }
  if (value.isDevice() && value.toDevice().is_cuda()) return c10::Device(c10::kCPU);
  TORCH_CHECK_NOT_IMPLEMENTED(!value.isStorage(), "operators with a storage as an argument are not simulated");
  return value;
}

c10::IValue deviceValue(HostCall &call, const c10::IValue &value) {
  if (value.isTensor()) return call.device(value.toTensor());
  if (!value.isTensorList()) return value;
  c10::List<at::Tensor> list;
  for (const at::Tensor &tensor : value.toTensorVector()) list.push_back(call.device(tensor));
  return list;
}

c10::Device deviceArgument(Arguments arguments) {
  for (const c10::IValue &value : arguments)
    if (value.isDevice() && value.toDevice().is_cuda()) return {c10::kCUDA, checked(value.toDevice().index())};
  return {c10::kCUDA, currentDevice()};
}

void run(const c10::OperatorHandle &op, c10::DispatchKeySet, torch::jit::Stack *stack) {
  const OperatorRules &rules = rulesOf(op);
  const size_t count = op.schema().arguments().size();
  const Arguments arguments = torch::jit::last(*stack, count);
  bool isMixed = false;
  const c10::Device device = commonDevice(rules, arguments, isMixed).value_or(deviceArgument(arguments));
  if (isMixed) return op.callBoxedForDispatchKey(c10::DispatchKey::CompositeExplicitAutograd, *stack);
  TORCH_CHECK_NOT_IMPLEMENTED(op.hasComputedKernelForDispatchKey(c10::DispatchKey::CPU), rules.name,
                              " is not simulated: there is no kernel for the CPU");
  refuse(rules, arguments);
  countWaits(rules, arguments);
  countKernel(rules.name);

  HostCall call(device);
  torch::jit::Stack values;
  for (size_t i = 0; i < count; ++i) {
    const c10::IValue &value = arguments[i];
    if (static_cast<int>(i) == rules.generatorArgument)
      values.emplace_back(hostGenerator(value.isNone() ? defaultGenerator(device.index()) : value.toGenerator()));
    else
      values.push_back(hostValue(call, value));
  }
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &values);
  call.adoptResizes();
  torch::jit::drop(*stack, count);
  for (const c10::IValue &value : values) stack->push_back(deviceValue(call, value));
}

c10::KernelFunction hostKernel() { return c10::KernelFunction::makeFromBoxedFunction<&run>(); }

// Composites on the CPU that are kernels of CUDA, or that choose a library by the backend.
bool isKernelOfCUDA(const std::string &name) {
  return name == "aten::convolution" || name == "aten::convolution_backward" || name.starts_with("aten::_foreach_");
}

// Registers a kernel for CUDA wherever the CPU has one. With the fallback alone, a structured operator would be taken
// apart into an allocation and its form with a result argument.
void registerHostKernels() {
  c10::Dispatcher &dispatcher = c10::Dispatcher::singleton();
  // Kept for the life of the process.
  static auto &registrations = *new std::vector<c10::RegistrationHandleRAII>;
  for (const c10::OperatorName &name : dispatcher.getAllOpNames()) {
    if (!name.name.starts_with("aten::")) continue;
    const auto op = dispatcher.findSchema(name);
    if (!op || op->hasKernelForDispatchKey(c10::DispatchKey::CUDA)) continue;
    const bool isComputedByCPU = op->hasKernelForDispatchKey(c10::DispatchKey::CPU) &&
                                 !op->hasKernelForDispatchKey(c10::DispatchKey::CompositeImplicitAutograd);
    if (isComputedByCPU || isKernelOfCUDA(name.name))
      registrations.push_back(
          dispatcher.registerImpl(name, c10::DispatchKey::CUDA, hostKernel(), std::nullopt, nullptr, "simulated CUDA"));
  }
  registrations.push_back(dispatcher.registerFallback(c10::DispatchKey::CUDA, hostKernel(), "simulated CUDA"));
}

const bool isRegistered = [] {
  auto &library = *new torch::Library(torch::Library::IMPL, "aten", c10::DispatchKey::CUDA, __FILE__, __LINE__);
  registerTensorKernels(library);
  registerFusedKernels(library);
  registerHostKernels();
  return true;
}();

} // namespace
} // namespace simulation

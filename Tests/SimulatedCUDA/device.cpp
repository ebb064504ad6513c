// Checks the simulated devices themselves. Prints a line for each check and exits with 1 if one fails.
#include "device_checks.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/autograd/autograd.h>

#include <csetjmp>
#include <csignal>
#include <thread>

namespace {

using at::Tensor;

void checkTensors() {
  check("a tensor goes to the device and comes back", [] {
    const Tensor x = at::randn({3, 4});
    expectNear(onCUDA(x), x);
    expectNear(onCUDA(x.t()), x.t());
    expectNear(x.to(cuda().dtype(at::kBFloat16)), x.to(at::kBFloat16));
    TORCH_CHECK(onCUDA(x, 1).device().index() == 1);
  });
  check("views share memory, and writes through them are seen", [] {
    const auto write = [](Tensor x) {
      x.narrow(1, 1, 2).add_(1);
      x.select(0, 2).fill_(5);
      x.t().narrow(0, 5, 1).mul_(0).sub_(1);
      x.view({24}).narrow(0, 0, 1).fill_(9);
      x.unfold(1, 2, 2).select(2, 0).add_(3);
      at::as_strided(x, {4}, {7}, 0).mul_(2);
      return x;
    };
    expectNear(write(at::zeros({4, 6}, cuda())), write(at::zeros({4, 6})));
  });
  check("a resized tensor keeps its numbers and its views", [] {
    Tensor out = at::empty({0}, cuda());
    at::add_out(out, at::ones({3}, cuda()), 1);
    expectNear(out, at::full({3}, 2.0));
    Tensor x = at::ones({2}, cuda()), view = x.narrow(0, 0, 1);
    x.resize_({500});
    expectNear(x.narrow(0, 0, 2), at::ones({2}));
    view.fill_(7);
    TORCH_CHECK(x[0].item<float>() == 7, "the view writes to the memory before the resize");
  });
  check("an operator in place returns its argument", [] {
    Tensor x = at::ones({2}, cuda());
    TORCH_CHECK(x.add_(1).is_same(x) && x.zero_().is_same(x) && x.resize_({1}).is_same(x));
  });
  check("memory that was never written reads as NaN", [] {
    { const Tensor used = at::ones({1000}, cuda()); }
    for (const auto type : {at::kFloat, at::kHalf, at::kBFloat16})
      TORCH_CHECK(at::isnan(at::empty({500}, cuda().dtype(type))).all().item<bool>());
  });
  check("70,000 small tensors live at once", [] {
    std::vector<Tensor> tensors;
    for (int i = 0; i < 70'000; ++i) tensors.push_back(at::full({4}, i, cuda()));
    TORCH_CHECK(tensors[69'999].sum().item<float>() == 4 * 69'999);
  });
}

sigjmp_buf afterFault;

// Whether reading the byte raises SIGSEGV.
bool faults(const void *address) {
  struct sigaction handler = {}, previous;
  handler.sa_handler = [](int) { siglongjmp(afterFault, 1); };
  handler.sa_flags = SA_NODEFER;
  sigaction(SIGSEGV, &handler, &previous);
  volatile bool isCaught = true;
  if (sigsetjmp(afterFault, 1) == 0) {
    [[maybe_unused]] volatile char byte = *static_cast<const char *>(address);
    isCaught = false;
  }
  sigaction(SIGSEGV, &previous, nullptr);
  return isCaught;
}

void checkRefusals() {
  check("the host faults when it touches a device's memory", [] {
    const Tensor x = at::ones({3}, cuda()) + 1;
    TORCH_CHECK(faults(x.const_data_ptr()) && faults(x.narrow(0, 2, 1).const_data_ptr()));
    TORCH_CHECK(!faults(x.cpu().const_data_ptr()));
    TORCH_CHECK(at::detail::getCUDAHooks().getDeviceFromPtr(x.data_ptr()) == x.device());
  });
  check("operators with tensors on different devices are refused", [] {
    const Tensor x = at::ones({3, 3}, cuda()), other = at::ones({3, 3}, cuda(1)), host = at::ones({3, 3});
    const char *message = "Expected all tensors to be on the same device";
    expectError(message, [&] { (void)(x + other); });
    expectError(message, [&] { (void)(x + host); });
    expectError(message, [&] { (void)(host + x); });
    expectError(message, [&] { (void)at::cat({x, host}); });
    expectError(message, [&] { (void)at::linear(x, host); });
    expectError(message, [&] { (void)at::embedding(x, at::scalar_tensor(1, at::kLong)); });
    expectError(message, [&] { at::scalar_tensor(2.0).add_(x.sum()); });
    expectError(message, [&] { (void)at::rms_norm(x, {3}, at::ones({3})); });
    const auto heads = [](const Tensor &tensor) { return tensor.view({1, 1, 3, 3}); };
    expectError("Expected query, key, and value to have the same device type",
                [&] { (void)at::scaled_dot_product_attention(heads(x), heads(host), heads(x)); });
    expectError(message, [&] { (void)at::scaled_dot_product_attention(heads(x), heads(x), heads(x), heads(other)); });
  });
  check("single numbers of the host are accepted where CUDA accepts them", [] {
    const Tensor x = at::ones({3}, cuda()), two = at::scalar_tensor(2.0);
    expectNear(x * two, at::full({3}, 2.0));
    expectNear(two - x, at::ones({3}));
    expectNear(at::ones({3}, cuda()).fill_(two), at::full({3}, 2.0));
  });
  check("lists over several devices are taken apart", [] {
    std::vector<Tensor> a = {at::ones({2}, cuda(0)), at::ones({2}, cuda(1))}, b = {a[0] + 1, a[1] + 1};
    at::_foreach_add_(a, b);
    for (int i : {0, 1}) TORCH_CHECK(a[i].device().index() == i && a[i].sum().item<float>() == 6);
    at::_foreach_copy_(a, std::vector<Tensor>{at::zeros({2}), at::zeros({2})});
    TORCH_CHECK(a[1].sum().item<float>() == 0);
  });
  check("a generator of the host is refused", [] {
    expectError("Expected a 'cuda' device type for generator but found 'cpu'",
                [] { at::empty({3}, cuda()).normal_(0, 1, at::make_generator<at::CPUGeneratorImpl>()); });
  });
  check("products of integers are refused", [] {
    const Tensor x = at::ones({2, 2}, cuda().dtype(at::kLong));
    expectError("not implemented for 'Long'", [&] { (void)at::matmul(x, x); });
  });
  check("an operator without a deterministic kernel is refused when kernels must be deterministic", [] {
    const auto reflect = [] {
      const Tensor image = at::ones({1, 3, 3}, cuda()).requires_grad_();
      at::pad(image, {1, 1}, "reflect").sum().backward();
    };
    reflect();
    at::globalContext().setDeterministicAlgorithms(true, false);
    expectError("does not have a deterministic implementation", reflect);
    at::globalContext().setDeterministicAlgorithms(false, false);
  });
  check("a device that does not exist is refused",
        [] { expectError("invalid device ordinal", [] { (void)at::empty({1}, cuda(2)); }); });
}

void checkDevices() {
  check("operators run on the second device while the first is current", [] {
    const Tensor x = at::ones({3}, cuda(1)).requires_grad_();
    const Tensor y = (x * 3).sum();
    y.backward();
    TORCH_CHECK(y.device() == cuda(1).device() && x.grad().device() == cuda(1).device());
    TORCH_CHECK(at::randn({2}, generator(1, 1), cuda(1)).device() == cuda(1).device());
    expectNear(x.grad(), at::full({3}, 3.0));
    expectNear(onCUDA(x, 0) + 1, at::full({3}, 2.0));
  });
  check("\"cuda\" is the current device", [] {
    const c10::DeviceGuard guard(cuda(1).device());
    TORCH_CHECK(at::zeros({1}, at::TensorOptions().device(c10::kCUDA)).device().index() == 1);
  });
  check("streams are distinct and belong to a thread", [] {
    const c10::impl::VirtualGuardImpl guard(c10::kCUDA);
    const c10::Stream main = guard.getStream(cuda().device()), side = guard.getNewStream(cuda().device());
    TORCH_CHECK(main != side && guard.exchangeStream(side) == main && guard.getStream(cuda().device()) == side);
    bool isMain = false;
    std::thread([&] { isMain = guard.getStream(cuda().device()) == main; }).join();
    TORCH_CHECK(isMain);
    guard.exchangeStream(main);
  });
  check("work that shares memory with another stream's needs an event between them", [] {
    const c10::impl::VirtualGuardImpl guard(c10::kCUDA);
    const c10::Stream main = guard.getStream(cuda().device()), side = guard.getNewStream(cuda().device());
    const Tensor x = onCUDA(at::ones({3})), y = x.narrow(0, 0, 1);
    c10::Event written(c10::kCUDA), used(c10::kCUDA);
    guard.exchangeStream(side);
    expectError("may still use", [&] { y.fill_(2); });
    written.record(main);
    written.block(side);
    y.fill_(2);
    guard.exchangeStream(main);
    expectError("may still use", [&] { (void)(x + 1); });
    used.record(side);
    used.block(main);
    (void)(x + 1);
    // A host that has waited for the work may queue more on any stream.
    guard.synchronizeStream(main);
    guard.exchangeStream(side);
    (void)(x + 1);
    guard.synchronizeStream(side);
    guard.exchangeStream(main);
  });
  check("events keep their time", [] {
    c10::Event first(c10::kCUDA, c10::EventFlag::BACKEND_DEFAULT), last(c10::kCUDA, c10::EventFlag::BACKEND_DEFAULT);
    const c10::impl::VirtualGuardImpl guard(c10::kCUDA);
    first.record(guard.getStream(cuda().device()));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    last.record(guard.getStream(cuda().device()));
    last.synchronize();
    TORCH_CHECK(first.query() && first.elapsedTime(last) >= 20, first.elapsedTime(last), " ms");
  });
  check("an event without a time has none", [] {
    c10::Event event(c10::kCUDA, c10::EventFlag::PYTORCH_DEFAULT);
    event.record(c10::impl::VirtualGuardImpl(c10::kCUDA).getStream(cuda().device()));
    expectError("", [&] { (void)event.elapsedTime(event); });
  });
}

void checkRandomness() {
  check("a generator's state goes round, and a seed gives the same numbers", [] {
    at::Generator first = generator(7);
    const Tensor x = at::randn({20}, first, cuda());
    const Tensor state = first.get_state();
    const Tensor y = at::randn({20}, first, cuda());
    first.set_state(state);
    expectNear(at::randn({20}, first, cuda()), y);
    expectNear(at::empty({20}, cuda()).normal_(0, 1, generator(7)), x);
    expectNear(at::randn({20}, first.clone(), cuda()), at::randn({20}, first, cuda()));
    TORCH_CHECK(generator(7).current_seed() == 7 && generator(7, 1).device().index() == 1);
  });
  check("operators without a generator draw from the device's", [] {
    at::manual_seed(3);
    const Tensor host = at::randn({4}), device = at::randn({4}, cuda()), second = at::randn({4}, cuda(1));
    at::manual_seed(3);
    expectNear(at::randn({4}, cuda()), device);
    expectNear(at::randn({4}), host);
    expectNear(at::randn({4}, cuda(1)), second);
  });
}

// A block with attention over two heads and a loss: [2, 5, 16] -> a number.
Tensor loss(const Tensor &x, const std::vector<Tensor> &weights) {
  const Tensor h = at::layer_norm(x, {16}, weights[0], weights[1]);
  const auto heads = [](const Tensor &y) { return y.view({2, 5, 2, 8}).transpose(1, 2); };
  const Tensor key = heads(at::linear(h, weights[2])), query = heads(at::linear(h, weights[3], weights[1]));
  const Tensor attended = at::scaled_dot_product_attention(query, key, key).transpose(1, 2).reshape({2, 5, 16});
  return (x + at::gelu(at::linear(attended, weights[4]), "tanh")).square().mean();
}

void checkSplits(LoadedLibrary &library) {
  check("half-precision products without split-k are refused by cuBLAS and computed by cuBLASLt", [&] {
    at::Context &context = at::globalContext();
    const auto multiply = [](c10::ScalarType type) {
      const Tensor x = at::ones({2, 2}, cuda().dtype(type));
      (void)at::linear(x, x);
    };
    const auto backend = context.blasPreferredBackend();
    context.setBlasPreferredBackend(at::BlasBackend::Cublas);
    context.setAllowBF16ReductionCuBLAS(false, /* allow_splitk: */ false);
    expectError("requires the cuBLASLt backend", [&] { multiply(at::kBFloat16); });
    for (const auto type : {at::kFloat, at::kHalf}) multiply(type);
    context.setBlasPreferredBackend(at::BlasBackend::Cublaslt);
    const long splits = library.split_products();
    multiply(at::kBFloat16);
    TORCH_CHECK(library.split_products() == splits, "one that may not be split was counted");
    context.setAllowBF16ReductionCuBLAS(true);
    multiply(at::kBFloat16);
    TORCH_CHECK(library.split_products() == splits + 1, "one that may be split was not counted");
    context.setBlasPreferredBackend(backend);
  });
}

void checkBackward(LoadedLibrary &library) {
  for (const auto type : {at::kFloat, at::kBFloat16, at::kHalf})
    check(c10::str("a block's gradients are the CPU's and wait for nothing: ", c10::toString(type)), [&] {
      at::manual_seed(1);
      std::vector<Tensor> host, device;
      for (const int columns : {0, 0, 16, 16, 16}) {
        const Tensor weight = columns ? at::randn({16, columns}) : at::randn({16});
        host.push_back(weight.to(type).requires_grad_());
        device.push_back(onCUDA(host.back().detach()).requires_grad_());
      }
      const Tensor input = at::randn({2, 5, 16}).to(type), onDevice = onCUDA(input);
      library.reset();
      library.forbid_waits(true);
      const Tensor found = loss(onDevice, device);
      found.backward();
      library.forbid_waits(false);
      TORCH_CHECK(library.waits() == 0 && library.uploads() == 0, library.waits_by_name());
      const Tensor expected = loss(input, host);
      expected.backward();
      const double tolerance = type == at::kFloat ? 1e-5 : 2e-2;
      expectNear(found, expected, tolerance);
      for (size_t i = 0; i < host.size(); ++i) expectNear(device[i].grad(), host[i].grad(), tolerance);
    });
  check("threads run forward and backward passes at the same time", [] {
    const Tensor weight = onCUDA(at::eye(32)).requires_grad_();
    std::vector<std::thread> threads;
    std::atomic<int> failures = 0;
    for (int index = 0; index < 4; ++index)
      threads.emplace_back([&, index] {
        for (int i = 0; i < 50; ++i) {
          const Tensor x = at::full({8, 32}, index + 1.0, cuda());
          const Tensor gradient = torch::autograd::grad({at::linear(x, weight).sum()}, {weight})[0];
          failures += gradient.sum().item<double>() != 8 * 32 * 32 * (index + 1.0);
        }
      });
    for (std::thread &thread : threads) thread.join();
    TORCH_CHECK(failures == 0, failures.load(), " of 200 gradients are wrong");
  });
}

} // namespace

int main(int count, char **arguments) {
  if (count > 1) return runProcess(arguments[1]);
  LoadedLibrary library;
  checkTensors();
  checkRefusals();
  checkDevices();
  checkRandomness();
  checkWaits(library);
  checkSplits(library);
  checkMemory(library);
  checkBackward(library);
  checkProcesses(arguments[0]);
  return !isPassing;
}

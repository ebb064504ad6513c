// Checks that waits, uploads, kernels and bytes are counted exactly.
#include "device_checks.h"

#include <ATen/ATen.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

using at::Tensor;

void checkWaits(LoadedLibrary &library) {
  struct Counts {
    long waits = 0, uploads = 0, kernels = 0;
  };
  const auto count = [&](const char *name, Counts expected, auto body) {
    check(name, [&] {
      library.reset();
      body();
      TORCH_CHECK(library.waits() == expected.waits && library.uploads() == expected.uploads &&
                      library.kernels() == expected.kernels,
                  library.waits(), " waits, ", library.uploads(), " uploads, ", library.kernels(), " kernels:\n",
                  library.waits_by_name(), library.kernels_by_name());
    });
  };
  const Tensor x = onCUDA(at::randn({6, 6})), host = at::randn({6, 6}), heads = x.view({1, 2, 3, 6});
  const std::vector<Tensor> lists[] = {{x.clone(), x + 1}, {x + 2, x.clone()}};
  Tensor onHost = at::empty({6, 6});

  count("arithmetic, views and allocations do not wait", {.kernels = 3}, [&] {
    (void)(x.t() * 2 + x).narrow(0, 1, 2);
    (void)at::zeros({3}, cuda());
    (void)at::empty_like(x);
  });
  count("a product, a norm and attention are a kernel each", {.kernels = 4}, [&] {
    (void)at::linear(x, x, x[0]);
    (void)at::layer_norm(x, {6}, x[0], x[1]);
    (void)at::rms_norm(x, {6}, x[0]);
    (void)at::scaled_dot_product_attention(heads, heads, heads);
  });
  count("an operator over lists is one kernel", {.kernels = 3}, [&] {
    at::_foreach_add_(lists[0], lists[1]);
    (void)at::_foreach_norm(lists[0]);
    at::_foreach_lerp_(lists[0], lists[1], 0.5);
  });
  count("item waits", {.waits = 1, .kernels = 1}, [&] { (void)x.sum().item<float>(); });
  count("a copy to the host waits", {.waits = 2}, [&] {
    (void)x.cpu();
    onHost.copy_(x, true);
  });
  count("a blocking copy from the host waits", {.waits = 1, .uploads = 1}, [&] { (void)onCUDA(host); });
  count("a copy from the host that does not block does not wait", {.uploads = 1},
        [&] { (void)host.to(cuda().device(), at::kFloat, true); });
  check("a copy beside the default stream is counted", [&] {
    const c10::impl::VirtualGuardImpl guard(c10::kCUDA);
    library.reset();
    const c10::Stream main = guard.exchangeStream(guard.getNewStream(cuda().device()));
    (void)host.to(cuda().device(), at::kFloat, true);
    guard.exchangeStream(main);
    (void)host.to(cuda().device(), at::kFloat, true);
    TORCH_CHECK(library.uploads() == 2 && library.uploads_beside() == 1, library.uploads_beside(), " beside");
  });
  count("a copy to pinned memory that does not block does not wait", {}, [&] {
    Tensor pinned = at::empty({6, 6}, at::TensorOptions().pinned_memory(true));
    TORCH_CHECK(pinned.is_pinned() && !onHost.is_pinned());
    pinned.copy_(x, true);
  });
  count("an empty tensor is not copied", {}, [&] { (void)onCUDA(at::empty({0})); });
  count("results whose size depends on values wait", {.waits = 3, .kernels = 4}, [&] {
    (void)at::nonzero(x);
    (void)x.index({x > 0});
    (void)at::equal(x, x);
  });
  // The comparison and the copy of `masked_fill` are two kernels more.
  count("numbers and indices of the host, and numbers that it must read, wait", {.waits = 3, .kernels = 6}, [&] {
    (void)at::where(x > 0, x, at::scalar_tensor(0.0));
    (void)x.index({at::tensor({1, 2}, at::kLong)});
    (void)x.masked_fill(x > 0, x[0][0]);
  });
  count("synchronizing waits", {.waits = 3}, [&] {
    const c10::impl::VirtualGuardImpl guard(c10::kCUDA);
    c10::Event event(c10::kCUDA, c10::EventFlag::PYTORCH_DEFAULT);
    event.synchronize(); // never recorded
    event.record(guard.getStream(cuda().device()));
    event.synchronize();
    guard.synchronizeDevice(0);
    guard.synchronizeStream(guard.getStream(cuda().device()));
  });
  check("waits are listed by name", [&] {
    library.reset();
    for (int i = 0; i < 2; ++i) (void)x.sum().item<float>();
    (void)at::nonzero(x);
    TORCH_CHECK(std::string(library.waits_by_name()) == "2 item\n1 aten::nonzero\n", library.waits_by_name());
  });
  check("forbidden waits throw with their name", [&] {
    library.forbid_waits(true);
    expectError("item makes the host wait", [&] { (void)x.sum().item(); });
    expectError("aten::nonzero makes the host wait", [&] { (void)at::nonzero(x); });
    expectError("copy to host makes the host wait", [&] { (void)x.cpu(); });
    (void)(x + 1);
    library.forbid_waits(false);
    (void)x.sum().item();
  });
}

void checkMemory(LoadedLibrary &library) {
  auto &allocator = *c10::getDeviceAllocator(c10::kCUDA);
  check("memory is counted for each device", [&] {
    const auto peak = [&](int device) { return allocator.getDeviceStats(device).allocated_bytes[0].peak; };
    const int64_t first = library.bytes(0), second = library.bytes(1);
    {
      const Tensor x = at::empty({1000}, cuda(1));
      TORCH_CHECK(library.bytes(1) == second + 4096 && library.bytes(0) == first, library.bytes(1) - second, " bytes");
    }
    TORCH_CHECK(library.bytes(1) == second && peak(1) >= second + 4096 && library.peak_bytes(1) >= second + 4096);
    allocator.resetPeakStats(1);
    TORCH_CHECK(peak(1) == second && library.peak_bytes(1) >= second + 4096);
    { const Tensor x = at::empty({1}, cuda(1)); }
    TORCH_CHECK(peak(1) == second + 512, "a tensor takes units of 512 bytes, as with CUDA");
  });
  check("more memory than there is throws CUDA's error", [&] {
    library.set_memory_limit(64 << 20);
    const Tensor kept = at::empty({8 << 20}, cuda(1)), other = at::empty({8 << 20}, cuda(0));
    expectError<c10::OutOfMemoryError>(
        "CUDA out of memory. Tried to allocate 40.00 MiB. GPU 1 has a total capacity of 64.00 MiB of which 32.00 MiB "
        "is free. Including non-PyTorch memory, this process has 32.00 MiB memory in use.",
        [] { (void)at::empty({40 << 20}, cuda(1).dtype(at::kChar)); });
    expectError<c10::OutOfMemoryError>("Tried to allocate 40.00 MiB",
                                       [&] { (void)at::cat({kept, kept.narrow(0, 0, 2 << 20)}); });
    const Tensor last = at::empty({20 << 20}, cuda(1).dtype(at::kChar));
    const auto [free, total] = allocator.getMemoryInfo(1);
    TORCH_CHECK(total == 64 << 20 && free == 12 << 20, free, " of ", total, " bytes are free");
    library.set_memory_limit(int64_t(80) << 30);
  });
  check("emptying the cache is counted", [&] {
    library.reset();
    allocator.emptyCache();
    TORCH_CHECK(library.cache_releases() == 1);
  });
}

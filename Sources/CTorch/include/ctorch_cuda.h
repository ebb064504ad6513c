// Choices of kernels on a CUDA device that differ between parts of the work.
#pragma once

// While one exists, sums of half-precision products on a CUDA device may be split into parts, which are added in
// float32 and in a fixed order; docs/decisions/0015. Without a CUDA device nothing changes. This holds for the whole
// process: products of other threads on a device may then round by the size of their batch.
class SplitProducts {
public:
  SplitProducts();
  ~SplitProducts();
  SplitProducts(const SplitProducts &) = delete;
  SplitProducts &operator=(const SplitProducts &) = delete;

private:
  const bool isOnDevice;
};

// Memory of kernels.
#pragma once

#include <cstdint>
#include <memory>
#include <new>

namespace tempflow::cpu {

constexpr std::align_val_t cacheLine{64};

struct FreeBuffer {
  void operator()(float *memory) const { ::operator delete[](memory, cacheLine); }
};
typedef std::unique_ptr<float[], FreeBuffer> Buffer;

inline Buffer allocate(int64_t count) {
  return Buffer(static_cast<float *>(::operator new[](count * sizeof(float), cacheLine)));
}

// A thread's memory, kept for the next block.
class Scratch {
public:
  float *reserve(int64_t count) {
    if (count > size) {
      memory = allocate(count);
      size = count;
    }
    return memory.get();
  }

private:
  Buffer memory;
  int64_t size = 0;
};

} // namespace tempflow::cpu

#include "order.h"

#include "devices.h"
#include "memory.h"

#include <c10/util/Exception.h>
#include <mutex>

namespace simulation {
namespace {

struct Order {
  std::mutex mutex;
  // What each stream knows of the others, and the number of its own operators.
  std::map<c10::StreamId, Progress> known[deviceCount];
  // What the host has waited for, and so all later work.
  Progress ended[deviceCount];
  // The stream that allocated memory, and the last use of it by each stream. CUDA's allocator gives freed memory to the
  // same stream again, whose work then must come after the uses by others.
  struct Memory {
    c10::StreamId owner = 0;
    Progress uses;
  };
  std::map<const void *, Memory> memory[deviceCount];
};

// Never destroyed: threads may still run operators while the process exits.
Order &order() {
  static Order &order = *new Order;
  return order;
}

void join(Progress &progress, const Progress &other) {
  for (const auto &[stream, count] : other) progress[stream] = std::max(progress[stream], count);
}

} // namespace

void own(const void *address, c10::DeviceIndex device) {
  const std::lock_guard lock(order().mutex);
  const c10::StreamId stream = currentStream(device);
  Order::Memory &memory = order().memory[device][address];
  if (memory.owner != stream) memory = {stream, {}};
}

void use(const void *address, c10::DeviceIndex device) {
  if (!address) return;
  const std::lock_guard lock(order().mutex);
  const c10::StreamId stream = currentStream(device);
  Progress &known = order().known[device][stream], &uses = order().memory[device][address].uses;
  for (const auto &[other, count] : uses)
    TORCH_CHECK(std::max(known[other], order().ended[device][other]) >= count, "stream ", stream, " uses memory that stream ", other,
                " may still use; an event must come between them");
  uses[stream] = ++known[stream];
}

Progress progress(const c10::Stream &stream) {
  const std::lock_guard lock(order().mutex);
  return order().known[stream.device_index()][stream.id()];
}

void await(const c10::Stream &stream, const Progress &progress) {
  const std::lock_guard lock(order().mutex);
  join(order().known[stream.device_index()][stream.id()], progress);
}

void awaitCurrent(c10::DeviceIndex device) {
  const std::lock_guard lock(order().mutex);
  join(order().ended[device], order().known[device][currentStream(device)]);
}

} // namespace simulation

// Devices for a process that chose its hooks and started its threads for backward passes without them.
#include "../simulated_cuda.h"
#include "devices.h"

#include <torch/csrc/autograd/engine.h>

namespace {

struct LateEngine final : torch::autograd::Engine {
  LateEngine() {
    // Does nothing if another engine of the process has been here.
    initialize_device_threads_pool();
    if (device_ready_queues_.empty()) start_device_threads();
  }
  ~LateEngine() override { stop(); }
};

} // namespace

void simulated_cuda_attach_late(void) {
  simulation::replaceHooks();
  torch::autograd::set_default_engine_stub([]() -> torch::autograd::Engine & {
    static LateEngine &engine = *new LateEngine; // its threads run until the process ends
    return engine;
  });
}

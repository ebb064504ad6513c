// Processes of torch.distributed's engine: the store through which they meet, and collectives over Gloo (CPU tensors)
// and NCCL (CUDA tensors).
#include "ctorch.h"
#include "ctorch_failure.h"
#include "ctorch_nccl.h"
#include "ctorch_pulse.h"
#include "ctorch_tensor.h"

#define USE_C10D_GLOO 1
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <thread>

using Milliseconds = std::chrono::milliseconds;

struct CTorchStore {
  c10::intrusive_ptr<c10d::Store> store;
};
struct CTorchPulse {
  Pulse pulse;
};
struct CTorchProcessGroup {
  c10::intrusive_ptr<c10d::ProcessGroup> group;
  // NULL without a GPU.
  c10::intrusive_ptr<c10d::Backend> nccl;
  // Whether a collective has failed.
  std::shared_ptr<std::atomic<bool>> isBroken = std::make_shared<std::atomic<bool>>(false);
  // How many have begun; the thread of signs of life reads it.
  std::shared_ptr<std::atomic<int64_t>> begun = std::make_shared<std::atomic<int64_t>>(0);
};
struct CTorchWork {
  std::shared_ptr<std::atomic<bool>> isBroken;
  c10::intrusive_ptr<c10d::Work> work;
  // Read and written by the collective until it is done.
  at::Tensor output, input;
};

namespace {

using Group = c10d::ProcessGroup;

// Keys of one backend among those of the others.
c10::intrusive_ptr<c10d::Store> prefixed(const CTorchStore *store, const char *name) {
  return c10::make_intrusive<c10d::PrefixStore>(name, store->store);
}

// A collective reads and writes memory in its order, whatever the strides say.
at::Tensor dense(const CTorchTensor *tensor) {
  at::Tensor found = borrow(tensor);
  TORCH_CHECK(found.is_contiguous(), "a collective needs a contiguous tensor");
  return found;
}

// Runs a part of a collective; false, with `failure` set, when it throws.
template <typename Group, typename Body> bool part(Group *group, Body &&body) {
  const bool succeeded = guarded(std::forward<Body>(body));
  if (!succeeded) *group->isBroken = true;
  return succeeded;
}

// Begins a collective, and waits for it where the body does.
template <typename Body> bool collective(CTorchProcessGroup *group, Body &&body) {
  ++*group->begun;
  return part(group, std::forward<Body>(body));
}

std::vector<uint8_t> bytesOf(const void *data, int64_t count) {
  const auto *first = static_cast<const uint8_t *>(data);
  return {first, first + count};
}

} // namespace

extern "C" {

CTorchStore *ctorch_store(const char *host, int32_t *port, bool serves, int32_t worker_count, const char *prefix,
                          int64_t timeout) {
  CTorchStore *result = nullptr;
  guarded([&] {
    c10d::TCPStoreOptions options;
    options.port = static_cast<uint16_t>(*port);
    options.isServer = serves;
    // 0: the store belongs to a launcher, which does not count its clients.
    options.waitWorkers = worker_count > 0;
    if (worker_count > 0) options.numWorkers = worker_count;
    options.timeout = Milliseconds(timeout);
    auto server = c10::make_intrusive<c10d::TCPStore>(host, options);
    *port = server->getPort();
    c10::intrusive_ptr<c10d::Store> store = std::move(server);
    if (*prefix) store = c10::make_intrusive<c10d::PrefixStore>(prefix, store);
    result = new CTorchStore{std::move(store)};
  });
  return result;
}
void ctorch_store_release(CTorchStore *store) { delete store; }

bool ctorch_store_set(CTorchStore *store, const char *key, const void *data, int64_t count) {
  return guarded([&] { store->store->set(key, bytesOf(data, count)); });
}

bool ctorch_store_get(CTorchStore *store, const char *key, int64_t timeout, void (*take)(void *, const void *, int64_t),
                      void *context) {
  return guarded([&] {
    store->store->wait({key}, Milliseconds(timeout));
    const std::vector<uint8_t> bytes = store->store->get(key);
    take(context, bytes.data(), static_cast<int64_t>(bytes.size()));
  });
}

bool ctorch_store_try(CTorchStore *store, const char *key, int64_t timeout,
                      void (*take)(void *, const void *, int64_t), void *context) {
  return guarded([&] {
    // A store whose process is stopped, or whose network is cut, never answers: the thread is then left behind.
    auto answer = std::make_shared<std::promise<std::vector<uint8_t>>>();
    auto value = answer->get_future();
    std::thread([store = store->store, key = std::string(key), answer] {
      try {
        answer->set_value(store->check({key}) ? store->get(key) : std::vector<uint8_t>());
      } catch (...) {
        answer->set_exception(std::current_exception());
      }
    }).detach();
    TORCH_CHECK(value.wait_for(Milliseconds(timeout)) == std::future_status::ready, "no answer within ", timeout,
                " ms");
    const std::vector<uint8_t> bytes = value.get();
    take(context, bytes.data(), static_cast<int64_t>(bytes.size()));
  });
}

int64_t ctorch_process_group_begun(const CTorchProcessGroup *group) { return group->begun->load(); }

CTorchPulse *ctorch_pulse(CTorchStore *store, const CTorchProcessGroup *group, const char *key, int64_t period) {
  CTorchPulse *result = nullptr;
  guarded([&] {
    auto beat = [store = store->store, begun = group->begun, key = std::string(key)](int64_t number) {
      const std::string text = std::to_string(number) + " " + std::to_string(begun->load());
      try {
        store->set(key, std::vector<uint8_t>(text.begin(), text.end()));
        return true;
      } catch (...) {
        // The store is gone, and a collective will say so.
        return false;
      }
    };
    result = new CTorchPulse{Pulse(std::move(beat), Milliseconds(period))};
  });
  return result;
}
void ctorch_pulse_release(CTorchPulse *pulse) { delete pulse; }

CTorchProcessGroup *ctorch_process_group(CTorchStore *store, int32_t rank, int32_t size, int64_t timeout) {
  CTorchProcessGroup *result = nullptr;
  guarded([&] {
    auto group = c10::make_intrusive<Group>(store->store, rank, size);
    // Gloo waits for a connection five times as long. All processes are there, so a minute is enough.
    const int64_t connecting = std::clamp<int64_t>(timeout / 5, std::min<int64_t>(timeout, 5000), 60000);
    auto options = c10d::ProcessGroupGloo::Options::create_default(Milliseconds(connecting));
    auto gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(prefixed(store, "gloo"), rank, size, std::move(options));
    static_cast<c10d::Backend &>(*gloo).setTimeout(Milliseconds(timeout));
    group->setBackend(c10::DeviceType::CPU, Group::BackendType::GLOO, gloo);
    group->setDefaultBackend(Group::BackendType::GLOO);
    group->setGroupName("world");
    result = new CTorchProcessGroup{std::move(group)};
  });
  return result;
}
bool ctorch_process_group_add_cuda(CTorchProcessGroup *group, CTorchStore *store, int64_t timeout) {
  return guarded([&] {
    requireNCCL();
    group->nccl = makeNCCL(prefixed(store, "nccl"), group->group->getRank(), group->group->getSize(),
                           Milliseconds(timeout));
    group->group->setBackend(c10::DeviceType::CUDA, Group::BackendType::NCCL, group->nccl);
  });
}
void ctorch_process_group_release(CTorchProcessGroup *group) {
  // Its destructor alone would abort what this process or another still waits for.
  if (group->nccl) guarded([&] { *group->isBroken ? group->nccl->abort() : group->nccl->shutdown(); });
  delete group;
}

bool ctorch_all_reduce(CTorchProcessGroup *group, CTorchTensor *tensor) {
  return collective(group, [&] {
    std::vector<at::Tensor> tensors{dense(tensor)};
    group->group->allreduce(tensors)->wait();
  });
}

bool ctorch_broadcast(CTorchProcessGroup *group, CTorchTensor *tensor, int32_t root) {
  return collective(group, [&] {
    std::vector<at::Tensor> tensors{dense(tensor)};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    group->group->broadcast(tensors, options)->wait();
  });
}

CTorchWork *ctorch_all_gather(CTorchProcessGroup *group, CTorchTensor *output, CTorchTensor *input) {
  CTorchWork *result = nullptr;
  collective(group, [&] {
    // Gloo cuts the output along its first dimension.
    at::Tensor out = dense(output).view(-1), in = dense(input).view(-1);
    auto work = group->group->_allgather_base(out, in);
    result = new CTorchWork{group->isBroken, std::move(work), std::move(out), std::move(in)};
  });
  return result;
}

bool ctorch_all_to_all(CTorchProcessGroup *group, CTorchTensor *output, CTorchTensor *input, const int64_t *received,
                       const int64_t *sent) {
  return collective(group, [&] {
    at::Tensor out = dense(output), in = dense(input);
    const int size = group->group->getSize();
    std::vector<int64_t> outputs(received, received + size), inputs(sent, sent + size);
    group->group->alltoall_base(out, in, outputs, inputs)->wait();
  });
}

bool ctorch_work_wait(CTorchWork *work) {
  return part(work, [&] { work->work->wait(); });
}
void ctorch_work_release(CTorchWork *work) { delete work; }

} // extern "C"

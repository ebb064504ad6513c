#include "kernel_switch.h"
#include "bfloat16.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <regex>
#include <string>
#include <string_view>

namespace {

enum class Needs { nothing, vectors, vectorsWithoutBFloat16 };

struct Entry {
  const char *name;
  Needs needs;
};

// In the order of `CTorchKernel`.
constexpr std::array<Entry, CTORCH_KERNEL_COUNT> entries{{
    {"attention", Needs::vectors},
    {"gelu", Needs::vectors},
    {"rms_norm", Needs::nothing},
    {"matrix_product", Needs::vectors},
    {"bfloat16_product", Needs::vectorsWithoutBFloat16},
    {"joint_block", Needs::vectors},
    {"modulated_norm", Needs::nothing},
    {"normal", Needs::vectors},
}};

// Why the processor is not the kernel's; null where it is.
const char *processorLacks(Needs needs) {
  if (needs == Needs::nothing) return nullptr;
#if defined(__x86_64__)
  if (!hasVectors()) return "the processor has no AVX-512";
  if (needs == Needs::vectorsWithoutBFloat16 && hasBFloat16()) return "the processor multiplies bfloat16 itself";
  return nullptr;
#else
  return "the processor is not an x86-64";
#endif
}

struct Switch {
  std::array<bool, CTORCH_KERNEL_COUNT> isChosen{};
  std::optional<std::string> unknown;

  Switch() {
    const char *setting = std::getenv("TEMPFLOW_CPU_KERNELS");
    const std::string_view text = setting ? setting : "";
    const bool isAll = text.empty() || text == "all";
    if (isAll) isChosen.fill(true);
    if (isAll || text == "off") return;
    for (size_t begin = 0; begin <= text.size();) {
      const size_t end = std::min(text.find(',', begin), text.size());
      choose(text.substr(begin, end - begin));
      begin = end + 1;
    }
    if (unknown) isChosen.fill(false);
  }

private:
  void choose(std::string_view name) {
    for (size_t i = 0; i < entries.size(); ++i)
      if (name == entries[i].name) {
        isChosen[i] = true;
        return;
      }
    if (!unknown) unknown = name;
  }
};

const Switch &kernelSwitch() {
  static const Switch value;
  return value;
}

} // namespace

const char *ctorch_kernel_name(CTorchKernel kernel) { return entries[kernel].name; }

bool ctorch_kernel_is_on(CTorchKernel kernel) {
  return kernelSwitch().isChosen[kernel] && !processorLacks(entries[kernel].needs);
}

const char *ctorch_kernel_off_reason(CTorchKernel kernel) {
  if (!kernelSwitch().isChosen[kernel]) return "switched off by TEMPFLOW_CPU_KERNELS";
  return processorLacks(entries[kernel].needs);
}

const char *ctorch_unknown_kernel(void) {
  const std::optional<std::string> &unknown = kernelSwitch().unknown;
  return unknown ? unknown->c_str() : nullptr;
}

const char *ctorch_kernel_origin(const char *name, const char *overload) {
  thread_local std::string origin;
  origin.clear();
  const auto schema = c10::Dispatcher::singleton().findSchema({name, overload});
  if (!schema) return origin.c_str();
  // A line of the table is "CPU: registered at FILE:LINE [...]".
  const std::string table = schema->dumpState();
  std::smatch found;
  if (std::regex_search(table, found, std::regex("\nCPU[^:]*: registered at ([^ ]+)"))) origin = found[1];
  return origin.c_str();
}

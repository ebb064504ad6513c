// Where CUDA's operators differ from the CPU's: what they refuse, and when they make the host wait.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>

namespace simulation {

using Arguments = c10::ArrayRef<c10::IValue>;

struct OperatorRules {
  std::string name;                // with its overload: "aten::add.Tensor"
  std::string base;                // without namespace and overload: "add"
  bool isForeach = false;          // on lists; CUDA takes lists over several devices apart
  bool acceptsHostNumbers = false; // tensors of the host without dimensions
  std::vector<bool> isWritten;     // by argument
  int generatorArgument = -1;
};

// Found once for each operator.
const OperatorRules &rulesOf(const c10::OperatorHandle &op);

// The device of an operator's tensors; none without a tensor on a device. `isMixed` becomes true for lists over several
// devices. Throws for other mixtures, as CUDA does.
std::optional<c10::Device> commonDevice(const OperatorRules &rules, Arguments arguments, bool &isMixed);

// Throws for what the CPU computes and CUDA does not, and counts products that may be split.
void refuse(const OperatorRules &rules, Arguments arguments);

// Counts a wait if CUDA needs values of the arguments on the host.
void countWaits(const OperatorRules &rules, Arguments arguments);

} // namespace simulation

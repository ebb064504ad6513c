#include "rules.h"

#include "record.h"

#include <ATen/Context.h>
#include <mutex>
#include <shared_mutex>
#include <unordered_set>

namespace simulation {
namespace {

using Names = std::unordered_set<std::string>;

// The size of their result, or the result itself, is a number of the host.
const Names waiting = {"nonzero",  "masked_select", "equal",    "_unique",
                       "_unique2", "unique_dim",    "bincount", "unique_consecutive"};

// cuBLAS and cuDNN have no kernels for integers.
const Names products = {"mm",    "bmm",    "addmm",  "addmm_",  "baddbmm", "baddbmm_",
                        "addmv", "addmv_", "addbmm", "addbmm_", "dot",     "convolution"};

const Names matrixProducts = {"mm", "addmm", "addmm_", "addmv", "addmv_"};

// Errors under deterministic algorithms, by the documentation of torch.use_deterministic_algorithms. Its entry for
// cumsum is left out: the library has a deterministic scan.
const Names nondeterministic = {"reflection_pad1d_backward",     "reflection_pad2d_backward",
                                "reflection_pad3d_backward",     "replication_pad1d_backward",
                                "replication_pad2d_backward",    "replication_pad3d_backward",
                                "upsample_linear1d_backward",    "upsample_bilinear2d_backward",
                                "upsample_bicubic2d_backward",   "upsample_trilinear3d_backward",
                                "_adaptive_avg_pool2d_backward", "_adaptive_avg_pool3d_backward",
                                "adaptive_max_pool2d_backward",  "avg_pool3d_backward",
                                "grid_sampler_2d_backward",      "grid_sampler_3d_backward",
                                "nll_loss2d_forward",            "histc",
                                "put_"};

// They accept a single number of the host although they are not elementwise.
const Names acceptingHostNumbers = {"masked_fill_", "fill_", "index_fill_", "_index_put_impl_", "_fused_adamw_"};

// Their indices may be on the host, from where they are copied.
const Names indexing = {"index", "_index_put_impl_"};

bool isHostNumber(const at::Tensor &tensor) { return tensor.is_cpu() && tensor.dim() == 0; }

bool isMask(const at::Tensor &tensor) {
  return tensor.scalar_type() == c10::kBool || tensor.scalar_type() == c10::kByte;
}

OperatorRules findRules(const c10::OperatorHandle &op) {
  const c10::FunctionSchema &schema = op.schema();
  OperatorRules rules;
  rules.name = schema.overload_name().empty() ? schema.name() : schema.name() + "." + schema.overload_name();
  rules.base = schema.name().substr(schema.name().rfind(':') + 1);
  rules.isForeach = rules.base.starts_with("_foreach_");
  rules.acceptsHostNumbers =
      rules.isForeach || op.hasTag(at::Tag::pointwise) || acceptingHostNumbers.contains(rules.base);
  for (const c10::Argument &argument : schema.arguments()) {
    if (argument.type()->repr_str().find("Generator") != std::string::npos)
      rules.generatorArgument = static_cast<int>(rules.isWritten.size());
    rules.isWritten.push_back(argument.alias_info() && argument.alias_info()->isWrite());
  }
  return rules;
}

// Calls `visit(tensor, position of the argument, whether it is one of a list of indices)` for every defined tensor.
template <typename Visit> void forEachTensor(Arguments arguments, Visit visit) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const c10::IValue &value = arguments[i];
    if (value.isTensor()) {
      if (value.toTensor().defined()) visit(value.toTensor(), i, false);
    } else if (value.isTensorList()) {
      for (const at::Tensor &tensor : value.toTensorVector())
        if (tensor.defined()) visit(tensor, i, false);
    } else if (value.isOptionalTensorList()) {
      for (const std::optional<at::Tensor> &tensor : value.toOptionalTensorVector())
        if (tensor && tensor->defined()) visit(*tensor, i, true);
    }
  }
}

// cuBLAS cannot leave out split-k.
void checkSplits(const OperatorRules &rules, c10::ScalarType type) {
  if (!matrixProducts.contains(rules.base) || (type != c10::kBFloat16 && type != c10::kHalf)) return;
  at::Context &context = at::globalContext();
  const auto sums = type == c10::kHalf ? context.allowFP16ReductionCuBLAS() : context.allowBF16ReductionCuBLAS();
  if (sums != at::CuBLASReductionOption::DisallowReducedPrecisionDisallowSplitK) return countSplitProduct();
  TORCH_CHECK(context.blasPreferredBackend() == at::BlasBackend::Cublaslt,
              "torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction(..., allow_splitk=False) requires the "
              "cuBLASLt backend");
}

} // namespace

const OperatorRules &rulesOf(const c10::OperatorHandle &op) {
  // Never destroyed: threads may still run operators while the process exits.
  static std::shared_mutex &mutex = *new std::shared_mutex;
  static auto &known = *new std::unordered_map<const c10::OperatorName *, std::unique_ptr<OperatorRules>>;
  const c10::OperatorName *key = &op.operator_name();
  {
    const std::shared_lock lock(mutex);
    if (const auto found = known.find(key); found != known.end()) return *found->second;
  }
  auto rules = std::make_unique<OperatorRules>(findRules(op));
  const std::unique_lock lock(mutex);
  return *known.try_emplace(key, std::move(rules)).first->second;
}

std::optional<c10::Device> commonDevice(const OperatorRules &rules, Arguments arguments, bool &isMixed) {
  std::optional<c10::Device> device;
  forEachTensor(arguments, [&](const at::Tensor &tensor, size_t, bool) {
    if (!device && tensor.is_cuda()) device = tensor.device();
  });
  if (!device) return {};
  forEachTensor(arguments, [&](const at::Tensor &tensor, size_t argument, bool isIndex) {
    if (tensor.device() == *device) return;
    if (isHostNumber(tensor) && rules.acceptsHostNumbers && !rules.isWritten[argument]) return;
    if (tensor.is_cpu() && isIndex && indexing.contains(rules.base)) return;
    isMixed = true;
    TORCH_CHECK(rules.isForeach, "Expected all tensors to be on the same device, but found at least two devices, ",
                *device, " and ", tensor.device(), "! (when checking arguments for ", rules.name, ")");
  });
  return device;
}

void refuse(const OperatorRules &rules, Arguments arguments) {
  if (nondeterministic.contains(rules.base)) at::globalContext().alertNotDeterministic(rules.base);
  if (!products.contains(rules.base)) return;
  const c10::ScalarType type = arguments[0].toTensor().scalar_type();
  TORCH_CHECK_NOT_IMPLEMENTED(!c10::isIntegralType(type, true), "\"", rules.base, "_cuda\" not implemented for '",
                              c10::toString(type), "'");
  checkSplits(rules, type);
}

void countWaits(const OperatorRules &rules, Arguments arguments) {
  bool waits = waiting.contains(rules.base);
  if (rules.name == "aten::repeat_interleave.Tensor") waits = arguments.back().isNone();
  if (rules.name == "aten::masked_fill_.Tensor") waits = arguments[2].toTensor().is_cuda();
  // A mask becomes indices, whose number the host must know, unless it selects where one number is written.
  const bool writesNumber = rules.base == "_index_put_impl_" && isHostNumber(arguments[2].toTensor());
  if (indexing.contains(rules.base))
    forEachTensor(arguments, [&](const at::Tensor &tensor, size_t, bool isIndex) {
      waits |= isIndex && (tensor.is_cpu() || (isMask(tensor) && !writesNumber));
    });
  // Numbers of the host are copied to the device first.
  if (rules.base == "where")
    forEachTensor(arguments, [&](const at::Tensor &tensor, size_t, bool) { waits |= tensor.is_cpu(); });
  if (waits) wait(rules.name);
}

} // namespace simulation

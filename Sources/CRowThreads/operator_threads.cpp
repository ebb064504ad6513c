#include "operator_threads.h"

#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>

int operatorThreadCount() { return at::get_num_threads(); }
void setOperatorThreadCount(int count) { at::set_num_threads(count); }

bool recordsGradients() { return at::GradMode::is_enabled(); }
void setRecordsGradients(bool records) { at::GradMode::set_enabled(records); }

struct WithoutAutograd::Guard {
  const at::AutoDispatchBelowADInplaceOrView guard;
};
WithoutAutograd::WithoutAutograd() : guard(new Guard) {}
WithoutAutograd::~WithoutAutograd() = default;

// Scopes in which rows of a batch are spread over threads, for C++ targets over this shim.
#pragma once

#include <cstdint>

namespace tempflow {

// A number that each scope that spreads rows over threads, and each call of `row_threads_run` that records, has to
// itself. Weights do not change inside.
int64_t rowScope();

} // namespace tempflow

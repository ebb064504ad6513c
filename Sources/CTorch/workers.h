#pragma once

#include <cstdint>

// A number for the scope that spreads rows over threads, another one for each. Weights do not change inside.
int64_t rowScope();

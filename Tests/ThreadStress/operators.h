// What stands for libtorch here: settings of threads without operators.
#pragma once

#include "operator_threads.h"

// Whether a `WithoutAutograd` exists on this thread.
bool isWithoutAutograd();

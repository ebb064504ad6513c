// What stands for libtorch and OpenMP here: settings of threads without operators, and teams of new threads.
#pragma once

#include "operator_threads.h"

// Whether a `ParallelRegion`, a `WithoutAutograd` exists on this thread.
bool isMarkedAsRegion();
bool isWithoutAutograd();

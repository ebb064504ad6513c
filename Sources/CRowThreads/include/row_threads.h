#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Threads for `row_threads_run` that this thread's caller has set; 0 if none.
int32_t row_threads_count(void);
void row_threads_set_count(int32_t count);
/// Whether this thread runs a body of `row_threads_run` that records gradients.
bool row_threads_record(void);
/// Runs `body(context, index)` for every index in 0..<count, each on a thread of its own, the first on the
/// caller's; operators inside use one thread each, and record gradients if `records`. One caller at a time; `body` must
/// not call this.
void row_threads_run(int32_t count, bool records, void (*body)(void *context, int32_t index), void *context);

#ifdef __cplusplus
}
#endif

// Settings of a thread for libtorch's operators: all that row_threads.cpp uses of libtorch. Tests/ThreadStress puts its own
// implementation in place of operator_threads.cpp.
#pragma once

#include <memory>

// Threads that one operator of this thread uses. A thread that has not used an operator yet starts with the number that
// was set last on any thread.
int operatorThreadCount();
void setOperatorThreadCount(int count);

// Whether operators of this thread record gradients.
bool recordsGradients();
void setRecordsGradients(bool records);

// Sends operators of this thread straight to their kernels, past autograd and its tracking of views.
class WithoutAutograd {
public:
  WithoutAutograd();
  ~WithoutAutograd();

private:
  struct Guard;
  const std::unique_ptr<Guard> guard;
};

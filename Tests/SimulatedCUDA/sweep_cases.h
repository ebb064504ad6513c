// Arguments with which sweep.cpp calls operators.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/function_schema.h>
#include <ATen/core/stack.h>

// Makes the arguments of one call. Two objects that differ in nothing but the device give the same numbers.
class Inputs {
public:
  const c10::Device device;
  const c10::ScalarType type;
  // Whether `numbers` are variables of a gradient, which then are in `leaves`.
  const bool recordsGradients;
  std::vector<at::Tensor> leaves;

  Inputs(c10::Device device, c10::ScalarType type, bool recordsGradients)
      : device(device), type(type), recordsGradients(recordsGradients) {}

  // Uniform in 0.1...1.1.
  at::Tensor numbers(std::vector<int64_t> size);
  at::Tensor number();
  at::Tensor indices(const std::vector<int64_t> &values, std::vector<int64_t> size);
  at::Tensor mask(std::vector<int64_t> size);
  c10::IValue list(const std::vector<std::vector<int64_t>> &sizes);
  at::Generator generator() const;

private:
  uint64_t drawn = 0;

  at::Tensor uniform(const std::vector<int64_t> &size);
};

struct Case {
  std::string op;
  // The first arguments of the schema; its defaults complete them.
  torch::jit::Stack (*make)(Inputs &);
  std::vector<c10::ScalarType> types = {c10::kFloat};
};

// The cases of an operator. Without one in the table, a case that guesses from the schema's types.
std::vector<Case> casesOf(const std::string &op);

// All arguments of a call. Throws for an argument that neither the case nor the schema gives.
torch::jit::Stack arguments(const Case &test, const c10::FunctionSchema &schema, Inputs &in);

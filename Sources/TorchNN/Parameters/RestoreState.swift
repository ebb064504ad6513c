import Torch

/// Copies saved tensors into `state` by name, all or none.
///
/// - Throws: `ParameterError.state` when one is missing, misshapen or of another type.
func restoreAll(
  _ state: [ParameterStore.Named], from saved: [String: Tensor]
) throws(ParameterError) {
  var pairs: [(target: Tensor, source: Tensor)] = []
  for (name, tensor) in state {
    guard let found = saved[name] else { throw .state(key: name, problem: "it is missing") }
    guard found.shape == tensor.shape, found.dtype == tensor.dtype else {
      throw .state(
        key: name,
        problem: "found \(found.dtype) \(found.shape), need \(tensor.dtype) \(tensor.shape)")
    }
    pairs.append((tensor, found))
  }
  withoutGradient {
    for (target, source) in pairs { target.copy_(source) }
  }
}

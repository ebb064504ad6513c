package import Torch

/// Checks that all numbers of named tensors are finite; reads each tensor once.
///
/// - Parameter origin: the file or folder of the tensors, for the error.
/// - Throws: `ParameterError.notFinite` for the first tensor that has other numbers.
package func checkFinite(
  _ tensors: [(name: String, tensor: Tensor)], origin: String
) throws(ParameterError) {
  guard let name = firstNonFinite(tensors),
    let tensor = tensors.first(where: { $0.name == name })?.tensor
  else { return }
  throw .notFinite(key: name, dtype: tensor.dtype, origin: origin)
}

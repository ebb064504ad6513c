public import Torch

/// Makes sure that named tensors hold finite numbers alone; reads each once.
///
/// - Parameter origin: the file or folder they came from or go to.
/// - Throws: `ParameterError.notFinite` for the first that does not.
package func checkFinite(
  _ tensors: [(name: String, tensor: Tensor)], origin: String
) throws(ParameterError) {
  guard let name = firstNonFinite(tensors),
    let tensor = tensors.first(where: { $0.name == name })?.tensor
  else { return }
  throw .notFinite(key: name, dtype: tensor.dtype, origin: origin)
}

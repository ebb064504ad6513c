public import Torch

/// Why a model cannot be built from the given tensors.
///
/// `origin` is the file or folder the tensors came from.
public enum ParameterError: Error, Equatable, CustomStringConvertible {
  /// The source holds no tensor of this name.
  case missing(key: String, origin: String)
  /// The tensor's shape differs from the shape in the configuration.
  case shape(key: String, expected: [Int], found: [Int], origin: String)
  /// The tensor holds integers or booleans where the model needs real numbers.
  case notFloatingPoint(key: String, origin: String)
  /// The tensor holds floating-point numbers of 8 bits.
  case eightBit(key: String, origin: String)
  /// The tensor holds NaN or infinity, or numbers beyond the range of `dtype`, to which it was
  /// converted.
  case notFinite(key: String, dtype: DType, origin: String)
  /// The source holds tensors that the model does not use.
  case unused(keys: [String], origin: String)
  /// An adapter target matches no linear layer of the model.
  case unmatchedTargets([String])
  /// A saved state (optimizer, averages) lacks or misnames a tensor, or it has another shape.
  case state(key: String, problem: String)

  public var description: String {
    switch self {
    case .missing(let key, let origin):
      "\(origin): no tensor '\(key)'; check that config.json belongs to these weights"
    case .shape(let key, let expected, let found, let origin):
      "\(origin): '\(key)' has shape \(found) but the configuration needs \(expected); "
        + "check that config.json belongs to these weights"
    case .notFloatingPoint(let key, let origin):
      "\(origin): '\(key)' does not hold floating-point numbers; convert the weights again"
    case .eightBit(let key, let origin):
      "\(origin): '\(key)' holds 8-bit floating-point numbers (fp8), too coarse to train on or to "
        + "compare with; use the model's bfloat16, float16 or float32 weights"
    case .notFinite(let key, let dtype, let origin):
      "\(origin): '\(key)' holds NaN or infinity in \(dtype); the file is damaged or was saved by "
        + "a run that diverged, so download or make it again"
        + (dtype == .float16
          ? "; where its numbers are beyond float16's range, use bfloat16 or float32" : "")
    case .unused(let keys, let origin):
      "\(origin): the model does not use \(keys.count) of the tensors: "
        + keys.prefix(5).map { "'\($0)'" }.joined(separator: ", ")
        + (keys.count > 5 ? ", ..." : "")
        + "; check that config.json belongs to these weights"
    case .unmatchedTargets(let targets):
      "adapter targets match no linear layer: "
        + targets.map { "'\($0)'" }.joined(separator: ", ")
        + "; a target is the end of a layer's path, such as 'attn.to_q'"
    case .state(let key, let problem):
      "saved state '\(key)': \(problem); the state belongs to another model or recipe"
    }
  }
}

package import Torch

/// The names of a network's precision: the values of `dtype` and `precision`.
package enum PrecisionName: String, CaseIterable, Sendable {
  case float32, bfloat16, float16

  package var dtype: DType {
    switch self {
    case .float32: .float32
    case .bfloat16: .bfloat16
    case .float16: .float16
    }
  }
}

import Torch

/// The stored form of frozen weights of linear layers: one number of 8 bits per weight and one
/// factor per output channel, or the weights themselves.
public enum WeightQuantization: String, Sendable, CaseIterable, Encodable {
  /// Not quantized.
  case none
  /// Integers in -127...127.
  case int8
  /// Floating-point numbers with 4 bits of exponent and 3 of mantissa (e4m3fn), up to 448.
  case float8

  /// The type of a stored weight; nil for `none`.
  var dtype: DType? {
    switch self {
    case .none: nil
    case .int8: .int8
    case .float8: .float8E4M3
    }
  }
}

/// Where the weights of a transformer's blocks stay between their uses.
public enum WeightOffload: String, Sendable, CaseIterable, Encodable {
  /// On the device.
  case none
  /// In the host's memory; each block's weights are copied to the device one block ahead.
  case blocks
}

/// A linear layer's weight in 8 bits: `weight = scale x values`, symmetric, one scale per output
/// channel.
struct QuantizedWeight {
  /// int8 or float8 `[out, in]`
  let values: Tensor
  /// float32 `[out, 1]`: the largest magnitude of a row over that of the type.
  let scale: Tensor

  /// Quantizes rows of `weight` into `self`, some rows at a time, so that their float32 values take
  /// little memory. `[out, in]`
  ///
  /// - Returns: whether all elements are finite and stay so in `precision`.
  func quantize(_ weight: Tensor, for precision: DType) -> Bool {
    let isInteger = values.dtype == .int8
    let largest = isInteger ? 127.0 : 448
    let (outputs, inputs) = (weight.shape[0], weight.shape[1])
    let step = max(1, Self.elementsAtOnce / inputs)
    return withoutGradient {
      for start in stride(from: 0, to: outputs, by: step) {
        let rows = start..<min(start + step, outputs)
        let part = weight.narrowed(dim: 0, rows).to(.float32)
        // A row of zeros has any scale but 0.
        let scale = (part.abs().amax(dims: [1], keepDim: true) / largest).clamped(1e-30, nil)
        self.scale.narrowed(dim: 0, rows).copy_(scale)
        var quotient = part / scale
        if isInteger { quotient = quotient.rounded() }
        values.narrowed(dim: 0, rows).copy_(quotient.clamped(-largest, largest))
      }
      // The largest magnitude of a row with NaN is NaN.
      return (scale * largest).to(precision).isFinite().all().bools()[0]
    }
  }

  /// Writes `scale x values` into `weight`: a float32 product, rounded once. `[out, in]`
  func dequantize(into weight: Tensor) {
    // Both types of 8 bits are exact in every type of 16.
    weight.copy_(values)
    weight.mul_(scale)
  }

  /// 1 MiB in float32.
  private static let elementsAtOnce = 1 << 18
}

/// The forms of the Gaussian error linear unit.
public enum GELUApproximation: Sendable {
  case none
  case tanh
}

extension Tensor {
  /// `x Wᵀ + b`. `[*, in]`, `[out, in]`, `[out]` -> `[*, out]`
  public func linear(weight: Tensor, bias: Tensor?) -> Tensor {
    Operator.linear(.tensor(self), .tensor(weight), .optional(bias))
  }
  public func matmul(_ other: Tensor) -> Tensor { Operator.matmul(.tensor(self), .tensor(other)) }

  /// `[B, in, H, W]`, `[out, in, kh, kw]` -> `[B, out, H', W']`
  public func conv2d(
    weight: Tensor, bias: Tensor?, stride: Int = 1, padding: Int = 0
  ) -> Tensor {
    Operator.conv2d(
      .tensor(self), .tensor(weight), .optional(bias), .ints([stride, stride]),
      .ints([padding, padding]), .ints([1, 1]), 1)
  }

  /// `[B, in, T, H, W]`, `[out, in, kt, kh, kw]` -> `[B, out, T', H', W']`; stride and padding are
  /// of frames, rows and columns.
  public func conv3d(
    weight: Tensor, bias: Tensor?, stride: [Int] = [1, 1, 1], padding: [Int] = [0, 0, 0]
  ) -> Tensor {
    Operator.conv3d(
      .tensor(self), .tensor(weight), .optional(bias), .ints(stride), .ints(padding),
      .ints([1, 1, 1]), 1)
  }

  /// Normalizes over the last dimensions, whose sizes are `shape`.
  public func layerNorm(shape: [Int], weight: Tensor?, bias: Tensor?, eps: Double) -> Tensor {
    Operator.layerNorm(
      .tensor(self), .ints(shape), .optional(weight), .optional(bias), .double(eps), true)
  }
  /// `[B, C, *]` -> the same, normalized over groups of channels.
  public func groupNorm(groups: Int, weight: Tensor?, bias: Tensor?, eps: Double) -> Tensor {
    Operator.groupNorm(
      .tensor(self), .int(groups), .optional(weight), .optional(bias), .double(eps), true)
  }
  /// Divides by the root mean square over the last dimensions, whose sizes are `shape`.
  public func rmsNorm(shape: [Int], weight: Tensor?, eps: Double) -> Tensor {
    Operator.rmsNorm(.tensor(self), .ints(shape), .optional(weight), .double(eps))
  }

  public func silu() -> Tensor { Operator.silu(.tensor(self)) }
  public func gelu(approximate: GELUApproximation = .none) -> Tensor {
    Operator.gelu(.tensor(self), .string(approximate == .tanh ? "tanh" : "none"))
  }
  public func relu() -> Tensor { Operator.relu(.tensor(self)) }
  public func softmax(dim: Int) -> Tensor { Operator.softmax(.tensor(self), .int(dim), nil) }

  /// Rows of this table `[V, D]`. `[*]` int64 -> `[*, D]`
  public func embedding(_ indices: Tensor) -> Tensor {
    Operator.embedding(.tensor(self), .tensor(indices), -1, false, false)
  }

  /// `softmax(scale · q kᵀ + mask) v`, with libtorch's fastest kernel for the device.
  ///
  /// `[B, H, S, D]`, `[B, H, T, D]`, `[B, H, T, D]` -> `[B, H, S, D]`; `scale` is 1/√D unless
  /// given.
  public static func scaledDotProductAttention(
    _ query: Tensor, _ key: Tensor, _ value: Tensor,
    mask: Tensor? = nil, isCausal: Bool = false, scale: Double? = nil
  ) -> Tensor {
    Operator.attention(
      .tensor(query), .tensor(key), .tensor(value), .optional(mask), .double(0), .bool(isCausal),
      .optional(scale), false)
  }

  /// `[B, C, H, W]` -> `[B, C, factor · H, factor · W]`
  public func upsampledNearest(factor: Int) -> Tensor {
    Operator.upsampleNearest(.tensor(self), nil, .doubles([Double(factor), Double(factor)]))
  }
}

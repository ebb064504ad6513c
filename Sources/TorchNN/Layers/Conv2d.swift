public import Torch

/// Two-dimensional convolution over square kernels (`torch.nn.Conv2d`).
public struct Conv2d {
  /// `[out, in, kernel, kernel]`
  public let weight: Tensor
  /// `[out]`
  public let bias: Tensor?
  /// Pixels from one output to the next, both directions.
  public let stride: Int
  /// Zeros added on each side, both directions.
  public let padding: Int

  /// Declares `weight` and `bias`.
  ///
  /// - Throws: `ParameterError` when the source lacks one or holds another shape.
  public init(
    _ inputs: Int, _ outputs: Int, kernel: Int, stride: Int = 1, padding: Int = 0,
    _ parameters: ParameterScope
  ) throws(ParameterError) {
    let fanIn = Initializer.fanIn(inputs * kernel * kernel)
    weight = try parameters.tensor("weight", outputs, inputs, kernel, kernel, initial: fanIn)
    bias = try parameters.tensor("bias", outputs, initial: fanIn)
    self.stride = stride
    self.padding = padding
  }

  /// `[B, in, h, w]` -> `[B, out, h', w']`
  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.convolved(weight: weight, bias: bias, stride: stride, padding: padding)
  }
}

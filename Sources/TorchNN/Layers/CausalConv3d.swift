public import Torch

/// Three-dimensional convolution in which no output frame depends on a later input frame
/// (diffusers' `QwenImageCausalConv3d`).
///
/// Zeros surround each frame, so that height and width stay. A video can be convolved in chunks:
/// the first output of a chunk depends on the `contextFrames` before it.
public struct CausalConv3d {
  /// `[out, in, frames, side, side]`
  public let weight: Tensor
  /// `[out]`
  public let bias: Tensor
  /// Frames from one output to the next.
  public let stride: Int

  /// Frames before a chunk on which its first output depends.
  public var contextFrames: Int { weight.shape[2] - stride }

  /// Declares `weight` and `bias`.
  ///
  /// - Parameters:
  ///   - frames: of the kernel.
  ///   - side: of the kernel, in pixels; odd.
  ///   - stride: frames from one output to the next.
  /// - Throws: `ParameterError` when the source lacks one or holds another shape.
  public init(
    _ inputs: Int, _ outputs: Int, frames: Int, side: Int, stride: Int = 1,
    _ parameters: ParameterScope
  ) throws(ParameterError) {
    let fanIn = Initializer.fanIn(inputs * frames * side * side)
    weight = try parameters.tensor("weight", outputs, inputs, frames, side, side, initial: fanIn)
    bias = try parameters.tensor("bias", outputs, initial: fanIn)
    self.stride = stride
  }

  /// `[B, in, T, h, w]` -> `[B, out, T / stride, h, w]`
  ///
  /// - Parameter previous: the last frames before `x`, at most `contextFrames`; zeros stand for
  ///   those that are missing.
  public func callAsFunction(_ x: Tensor, after previous: Tensor? = nil) -> Tensor {
    let shape = weight.shape
    let padding = shape[3] / 2
    if x.shape[2] == 1, previous == nil, stride == 1 {
      // The other slices of the kernel would be multiplied by zeros.
      let last = weight.selected(dim: 2, index: shape[2] - 1)
      return x.squeezed(2).convolved(weight: last, bias: bias, padding: padding).unsqueezed(2)
    }
    let missing = contextFrames - (previous?.shape[2] ?? 0)
    var frames = previous.map { Tensor.cat([$0, x], dim: 2) } ?? x
    if missing > 0 { frames = frames.padded([0, 0, 0, 0, missing, 0]) }
    return frames.conv3d(
      weight: weight, bias: bias, stride: [stride, 1, 1], padding: [0, padding, padding])
  }
}

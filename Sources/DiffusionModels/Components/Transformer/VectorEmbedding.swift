import Foundation
import Torch
import TorchNN

/// Two linear layers with a SiLU between them, for one vector per sample (diffusers'
/// `TimestepEmbedding`, `PixArtAlphaTextProjection`).
struct VectorEmbedding {
  let first: Linear
  let second: Linear

  init(_ inputs: Int, _ outputs: Int, _ parameters: ParameterScope) throws(ParameterError) {
    first = try Linear(inputs, outputs, parameters["linear_1"])
    second = try Linear(outputs, outputs, parameters["linear_2"])
  }

  /// `[B, inputs] -> [B, outputs]`
  func callAsFunction(_ x: Tensor) -> Tensor {
    second.ofVectors(first.ofVectors(x).silu())
  }
}

/// Cosines and sines of a number at 128 frequencies (diffusers' `Timesteps` with 256 channels,
/// `flip_sin_to_cos` and no shift of the frequencies).
struct Waves {
  private let frequencies: Tensor  // [1, 128]

  /// The width of the result.
  static let width = 256

  init(device: Device) {
    let count = Self.width / 2
    let exponents = (0..<count).map { -Float(log(10000.0)) * Float($0) }
    frequencies = Tensor(
      exponents.map { Foundation.exp($0 / Float(count)) }, shape: [1, count]
    ).to(device)
  }

  /// Computed in float32. `[B] -> float32 [B, 256]`
  ///
  /// - Parameter scale: multiplies the product of number and frequency.
  func callAsFunction(_ numbers: Tensor, scale: Double = 1) -> Tensor {
    let products = numbers.to(.float32).unsqueezed(1) * frequencies
    let angles = scale == 1 ? products : products * scale
    return Tensor.cat([angles.cos(), angles.sin()], dim: 1)
  }
}

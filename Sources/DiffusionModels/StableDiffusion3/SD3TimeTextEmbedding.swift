import Foundation
import Torch
import TorchNN

/// Embeds timestep and pooled prompt as one vector (diffusers'
/// `CombinedTimestepTextProjEmbeddings`).
struct SD3TimeTextEmbedding {
  /// Two linear layers with a SiLU between them.
  private struct Projection {
    let first: Linear
    let second: Linear

    init(_ inputs: Int, _ outputs: Int, _ parameters: ParameterScope) throws(ParameterError) {
      first = try Linear(inputs, outputs, parameters["linear_1"])
      second = try Linear(outputs, outputs, parameters["linear_2"])
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
      second.ofVectors(first.ofVectors(x).silu())
    }
  }

  private let time: Projection
  private let text: Projection
  private let frequencies: Tensor  // [1, 128]

  init(
    _ configuration: SD3TransformerConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    let width = configuration.width
    time = try Projection(2 * frequencyCount, width, parameters["timestep_embedder"])
    text = try Projection(configuration.pooledProjectionDim, width, parameters["text_embedder"])
    let exponents = (0..<frequencyCount).map { -Float(log(10000.0)) * Float($0) }
    frequencies = Tensor(
      exponents.map { Foundation.exp($0 / Float(frequencyCount)) }, shape: [1, frequencyCount]
    )
    .to(time.first.weight.device)
  }

  /// `timestep` in 0...1000, sines and cosines in float32. `[B], [B, P] -> [B, D]`
  func callAsFunction(timestep: Tensor, pooled: Tensor) -> Tensor {
    let angles = timestep.to(.float32).unsqueezed(1) * frequencies
    let waves = Tensor.cat([angles.cos(), angles.sin()], dim: 1)
    return time(waves.to(pooled.dtype)) + text(pooled)
  }
}

private let frequencyCount = 128

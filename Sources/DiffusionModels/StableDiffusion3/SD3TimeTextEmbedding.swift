import Torch
import TorchNN

/// Embeds timestep and pooled prompt as one vector (diffusers'
/// `CombinedTimestepTextProjEmbeddings`).
struct SD3TimeTextEmbedding {
  private let time: VectorEmbedding
  private let text: VectorEmbedding
  private let waves: Waves

  init(
    _ configuration: SD3TransformerConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    let width = configuration.width
    time = try VectorEmbedding(Waves.width, width, parameters["timestep_embedder"])
    text = try VectorEmbedding(
      configuration.pooledProjectionDim, width, parameters["text_embedder"])
    waves = Waves(device: time.first.weight.device)
  }

  /// `timestep` in 0...1000, sines and cosines in float32. `[B], [B, P] -> [B, D]`
  func callAsFunction(timestep: Tensor, pooled: Tensor) -> Tensor {
    time(waves(timestep).to(pooled.dtype)) + text(pooled)
  }
}

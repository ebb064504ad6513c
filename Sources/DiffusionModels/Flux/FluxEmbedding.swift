package import Torch
import TorchNN

/// Embeds timestep, guidance scale and pooled prompt as one vector (diffusers'
/// `CombinedTimestepGuidanceTextProjEmbeddings`; without guidance
/// `CombinedTimestepTextProjEmbeddings`).
struct FluxEmbedding {
  private let time: VectorEmbedding
  private let guidance: VectorEmbedding?
  private let text: VectorEmbedding
  private let waves: Waves

  init(
    _ configuration: FluxTransformerConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    let width = configuration.width
    time = try VectorEmbedding(Waves.width, width, parameters["timestep_embedder"])
    guidance =
      configuration.guidanceEmbeds
      ? try VectorEmbedding(Waves.width, width, parameters["guidance_embedder"]) : nil
    text = try VectorEmbedding(
      configuration.pooledProjectionDim, width, parameters["text_embedder"])
    waves = Waves(device: time.first.weight.device)
  }

  /// `timestep` in 0...1000. `[B], scale, [B, P] -> [B, D]`
  func callAsFunction(timestep: Tensor, guidance scale: Double?, pooled: Tensor) -> Tensor {
    let dtype = pooled.dtype
    var embedded = time(waves(fluxTimestep(timestep, dtype)).to(dtype))
    if let guidance {
      guard let scale else { preconditionFailure("the network needs a guidance scale") }
      let one = fluxGuidance(scale, dtype, device: pooled.device)
      embedded = embedded + guidance(waves(one).to(dtype))
    }
    return embedded + text(pooled)
  }
}

/// The timestep that the network embeds, rounded as in diffusers: the pipeline rounds it to the
/// network's precision and divides by 1000, the network multiplies by 1000. In bfloat16, 966.01
/// becomes 968. `[B] -> [B]`
package func fluxTimestep(_ timestep: Tensor, _ dtype: DType) -> Tensor {
  timestep.to(.float32).to(dtype) / 1000 * 1000
}

/// The guidance that the network embeds, rounded as in diffusers. In bfloat16, 3.5 becomes 3504.
/// `-> [1]`
package func fluxGuidance(_ scale: Double, _ dtype: DType, device: Device) -> Tensor {
  Tensor.full([1], scale, device: device).to(dtype) * 1000
}

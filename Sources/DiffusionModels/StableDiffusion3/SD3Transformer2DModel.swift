import Foundation
public import Torch
public import TorchNN

/// The velocity network of Stable Diffusion 3 and 3.5: a transformer over image and text tokens
/// (arXiv 2403.03206; diffusers' `SD3Transformer2DModel`).
///
/// B samples, latents of C channels and h x w pixels, S = h/p * w/p image tokens, T text tokens,
/// width D.
public struct SD3Transformer2DModel {
  public let configuration: SD3TransformerConfiguration
  let patches: SD3PatchEmbedding
  let timeText: SD3TimeTextEmbedding
  let contextEmbedder: Linear
  let blocks: [SD3TransformerBlock]
  private let blockLoop: BlockLoop
  let outputModulation: Modulation
  let output: Linear

  /// Builds the network from parameters named as in a diffusers checkpoint.
  ///
  /// - Throws: `ParameterError` for a missing parameter or a wrong shape.
  public init(
    _ configuration: SD3TransformerConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    self.configuration = configuration
    let width = configuration.width
    patches = try SD3PatchEmbedding(configuration, parameters["pos_embed"])
    timeText = try SD3TimeTextEmbedding(configuration, parameters["time_text_embed"])
    contextEmbedder = try Linear(
      configuration.jointAttentionDim, width, parameters["context_embedder"])
    var blocks: [SD3TransformerBlock] = []
    for layer in 0..<configuration.numLayers {
      blocks.append(
        try SD3TransformerBlock(
          configuration, layer: layer, parameters["transformer_blocks"].block(layer)))
    }
    self.blocks = blocks
    blockLoop = BlockLoop(parameters)
    outputModulation = try Modulation(width, parts: 2, parameters["norm_out"]["linear"])
    output = try Linear(
      width, configuration.patchSize * configuration.patchSize * configuration.outChannels,
      parameters["proj_out"])
  }

  /// The velocity (noise minus data) of each sample.
  ///
  /// - Parameters:
  ///   - latents: `[B, C, h, w]` in the precision of the weights; h and w are multiples of the
  ///     patch size.
  ///   - timestep: `[B]`, 0...1000 (sigma times 1000), 1000 is noise.
  ///   - embeddings: the prompt embeddings of B samples.
  ///   - checkpointing: recomputes the blocks' activations in the backward pass where gradients are
  ///     recorded; the caller runs its `backward()` after that of the velocity. nil keeps all
  ///     activations.
  /// - Returns: `[B, C', h, w]`
  public func callAsFunction(
    _ latents: Tensor, timestep: Tensor, embeddings: SD3Conditioning,
    checkpointing: GradientCheckpointing? = nil
  ) -> Tensor {
    let image = patches(latents)
    let conditioning = timeText(timestep: timestep, pooled: embeddings.pooled).silu()
    var text = embeddings.isEmbedded ? embeddings.rows : contextEmbedder(embeddings.rows)
    var keyBias: Tensor? = nil
    if embeddings.zeroRowCount > 0 {
      // ln(count) has two digits in half precision, so the zero rows are written out there.
      let isExact = text.dtype == .float32 || text.dtype == .float64
      text = Tensor.cat(
        [text, zeroRows(isExact ? 1 : embeddings.zeroRowCount, like: text)], dim: 1)
      if isExact {
        keyBias = repetitionBias(
          of: embeddings.zeroRowCount, keyCount: image.shape[1] + text.shape[1], like: image)
      }
    }
    let bias = keyBias
    let (state, shared) = blockLoop(
      [image, text], shared: [conditioning], count: blocks.count, checkpointing: checkpointing
    ) { index, state, shared in
      let (image, text) = blocks[index](
        state[0], state[1], conditioning: shared[0], keyBias: bias)
      return text.map { [image, $0] } ?? [image]
    }
    let parts = outputModulation.parts(shared[0])
    let patchValues = output(modulatedNorm(state[0], shift: parts[1], scale: parts[0]))
    return unpatchified(patchValues, height: latents.shape[2], width: latents.shape[3])
  }

  /// The conditioning with its rows after the context embedder, for any number of evaluations;
  /// unchanged while the embedder is trained.
  public func embedded(_ embeddings: SD3Conditioning) -> SD3Conditioning {
    guard !embeddings.isEmbedded, !contextEmbedder.isTrainable else { return embeddings }
    return withoutGradient { embeddings.embedded(by: contextEmbedder) }
  }

  /// Zero rows after the context embedder. `-> [B, count, D]`
  private func zeroRows(_ count: Int, like text: Tensor) -> Tensor {
    let zeros = Tensor.zeros(
      [1, 1, configuration.jointAttentionDim], dtype: text.dtype, device: text.device)
    return contextEmbedder(zeros).expanded([text.shape[0], count, configuration.width])
  }

  /// `[B, S, p * p * C'] -> [B, C', h, w]`
  private func unpatchified(_ x: Tensor, height: Int, width: Int) -> Tensor {
    let patch = configuration.patchSize
    let channels = configuration.outChannels
    return x.reshaped([x.shape[0], height / patch, width / patch, patch, patch, channels])
      .permuted([0, 5, 1, 3, 2, 4])
      .reshaped([x.shape[0], channels, height, width])
  }
}

/// The bias of one key that represents `count` equal ones: `exp(logit + ln count)` is the sum of
/// their exponentials. `-> [1, 1, 1, keyCount]`, zero except for the last element.
private func repetitionBias(of count: Int, keyCount: Int, like x: Tensor) -> Tensor {
  // Made on the device: a copy from the host would be one in every call.
  let bias = Tensor.zeros([1, 1, 1, keyCount], dtype: x.dtype, device: x.device)
  bias.narrowed(dim: 3, start: keyCount - 1, length: 1).fill_(log(Double(count)))
  return bias
}

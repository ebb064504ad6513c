public import Torch
public import TorchNN

/// The velocity network of FLUX.1 (diffusers' `FluxTransformer2DModel`): blocks with two streams,
/// then blocks with one.
///
/// B samples, latents of C channels and h x w pixels, S = h/2 * w/2 image tokens, S' tokens of a
/// source image behind them, T text tokens, width D.
public struct FluxTransformer2DModel {
  public let configuration: FluxTransformerConfiguration
  let embedding: FluxEmbedding
  let contextEmbedder: Linear
  let input: Linear
  let blocks: [DoubleStreamBlock]
  let singleBlocks: [FluxSingleTransformerBlock]
  private let blockLoop: BlockLoop
  let outputModulation: Modulation
  let output: Linear

  /// Builds the network from parameters named as in a diffusers checkpoint.
  ///
  /// - Throws: `ParameterError` for a missing parameter or a wrong shape.
  public init(
    _ configuration: FluxTransformerConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    self.configuration = configuration
    let width = configuration.width
    embedding = try FluxEmbedding(configuration, parameters["time_text_embed"])
    contextEmbedder = try Linear(
      configuration.jointAttentionDim, width, parameters["context_embedder"])
    input = try Linear(configuration.inChannels, width, parameters["x_embedder"])
    var blocks: [DoubleStreamBlock] = []
    for layer in 0..<configuration.numLayers {
      blocks.append(
        try DoubleStreamBlock(
          width, heads: configuration.numAttentionHeads, (.fluxImage, .fluxText),
          parameters["transformer_blocks"].block(layer)))
    }
    self.blocks = blocks
    var singleBlocks: [FluxSingleTransformerBlock] = []
    for layer in 0..<configuration.numSingleLayers {
      singleBlocks.append(
        try FluxSingleTransformerBlock(
          configuration, parameters["single_transformer_blocks"].block(layer)))
    }
    self.singleBlocks = singleBlocks
    blockLoop = BlockLoop(parameters)
    outputModulation = try Modulation(width, parts: 2, parameters["norm_out"]["linear"])
    output = try Linear(width, configuration.outChannels, parameters["proj_out"])
  }

  /// The velocity (noise minus data) of each sample. For an edit, the tokens of the source image
  /// follow those of the image, as in diffusers' `FluxKontextPipeline`.
  ///
  /// - Parameters:
  ///   - latents: `[B, C, h, w]` in the precision of the weights; h and w are even.
  ///   - timestep: `[B]`, 0...1000 (sigma times 1000), 1000 is noise; rounded as in diffusers.
  ///   - guidance: the guidance scale; needed by a network with `guidance_embeds`, unused by
  ///     others.
  ///   - embeddings: the prompt embeddings and source images of B samples.
  ///   - rotation: of the tokens' positions, for many evaluations of one size.
  ///   - checkpointing: recomputes the blocks' activations in the backward pass where gradients are
  ///     recorded; the caller runs its `backward()` after that of the velocity. nil keeps all
  ///     activations.
  /// - Returns: `[B, C, h, w]`
  public func callAsFunction(
    _ latents: Tensor, timestep: Tensor, guidance: Double?, embeddings: FluxConditioning,
    rotation: PairRotation? = nil, checkpointing: GradientCheckpointing? = nil
  ) -> Tensor {
    let conditioning = embedding(
      timestep: timestep, guidance: guidance, pooled: embeddings.pooled
    ).silu()
    let target = input(packed(latents))
    let image =
      embeddings.source.map { Tensor.cat([target, input($0.tokens)], dim: 1) } ?? target
    let text = embeddings.isEmbedded ? embeddings.rows : contextEmbedder(embeddings.rows)
    let textTokens = text.shape[1]
    let rotation =
      rotation
      ?? self.rotation(
        textTokens: textTokens, height: latents.shape[2], width: latents.shape[3],
        source: embeddings.source)
    let (state, shared) = blockLoop(
      [image, text], shared: [conditioning], count: blocks.count + singleBlocks.count,
      checkpointing: checkpointing
    ) { index, state, shared in
      if index < blocks.count {
        let (image, text) = blocks[index](
          image: state[0], text: state[1], conditioning: shared[0], rotation)
        return [image, text.limited()]
      }
      let joined = state.count == 1 ? state[0] : Tensor.cat([state[1], state[0]], dim: 1)
      return [singleBlocks[index - blocks.count](joined, conditioning: shared[0], rotation)]
    }
    // The velocity is that of the image's own tokens, between those of the text and of the source.
    let last = state[0].narrowed(
      dim: 1, start: state.count == 1 ? textTokens : 0, length: target.shape[1])
    let parts = outputModulation.parts(shared[0])
    return unpacked(
      output(modulatedNorm(last, shift: parts[1], scale: parts[0])), height: latents.shape[2],
      width: latents.shape[3])
  }

  /// The rotation of T text tokens, an image of h x w latent pixels and a source image, on the
  /// weights' device.
  public func rotation(
    textTokens: Int, height: Int, width: Int, source: FluxSource? = nil
  ) -> PairRotation {
    let sizes = [(height, width)] + (source.map { [($0.height, $0.width)] } ?? [])
    return PairRotation(
      fluxAxes: configuration.axesDimsRope, textTokens: textTokens,
      images: sizes.map { (rows: $0.0 / 2, columns: $0.1 / 2) }, device: input.weight.device)
  }

  /// The conditioning with its rows after the context embedder, for any number of evaluations;
  /// unchanged while the embedder is trained. A source image stays as it is: embedded, it would
  /// take D / 4 C times the memory, and the input layer is a hundred-thousandth of the work.
  public func embedded(_ embeddings: FluxConditioning) -> FluxConditioning {
    guard !embeddings.isEmbedded, !contextEmbedder.isTrainable else { return embeddings }
    return withoutGradient {
      FluxConditioning(
        rows: contextEmbedder(embeddings.rows), pooled: embeddings.pooled,
        source: embeddings.source, isEmbedded: true)
    }
  }
}

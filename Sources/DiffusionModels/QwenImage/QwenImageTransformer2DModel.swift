public import Torch
public import TorchNN

/// The velocity network of Qwen-Image (diffusers' `QwenImageTransformer2DModel`): blocks with two
/// streams.
///
/// B samples, latents of C channels and h x w pixels, S = h/2 * w/2 image tokens, T text tokens,
/// width D.
public struct QwenImageTransformer2DModel {
  public let configuration: QwenImageTransformerConfiguration
  let time: VectorEmbedding
  let waves: Waves
  let textNorm: RMSNorm
  let textInput: Linear
  let input: Linear
  let blocks: [DoubleStreamBlock]
  private let blockLoop: BlockLoop
  let outputModulation: Modulation
  let output: Linear

  /// Builds the network from parameters named as in a diffusers checkpoint.
  ///
  /// - Throws: `ParameterError` for a missing parameter or a wrong shape.
  public init(
    _ configuration: QwenImageTransformerConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    self.configuration = configuration
    let width = configuration.width
    time = try VectorEmbedding(
      Waves.width, width, parameters["time_text_embed"]["timestep_embedder"])
    waves = Waves(device: time.first.weight.device)
    textNorm = try RMSNorm(
      configuration.jointAttentionDim, epsilon: normEpsilon, parameters["txt_norm"])
    textInput = try Linear(configuration.jointAttentionDim, width, parameters["txt_in"])
    input = try Linear(configuration.inChannels, width, parameters["img_in"])
    var blocks: [DoubleStreamBlock] = []
    for layer in 0..<configuration.numLayers {
      blocks.append(
        try DoubleStreamBlock(
          width, heads: configuration.numAttentionHeads, (.qwenImage, .qwenText),
          parameters["transformer_blocks"].block(layer)))
    }
    self.blocks = blocks
    blockLoop = BlockLoop(parameters)
    outputModulation = try Modulation(width, parts: 2, parameters["norm_out"]["linear"])
    output = try Linear(width, 4 * configuration.outChannels, parameters["proj_out"])
  }

  /// The velocity (noise minus data) of each sample.
  ///
  /// The text of the last block is not needed: its layers behind attention have no effect and no
  /// gradient.
  ///
  /// - Parameters:
  ///   - latents: `[B, C, h, w]` in the precision of the weights; h and w are even.
  ///   - sigma: `[B]`, 0...1, 1 is noise; diffusers' `timestep`. It is rounded to the precision of
  ///     the weights.
  ///   - embeddings: the prompt embeddings of B samples.
  ///   - rotation: of the tokens' positions, for many evaluations of one size.
  ///   - checkpointing: recomputes the blocks' activations in the backward pass where gradients are
  ///     recorded; the caller runs its `backward()` after that of the velocity. nil keeps all
  ///     activations.
  /// - Returns: `[B, C, h, w]`
  public func callAsFunction(
    _ latents: Tensor, sigma: Tensor, embeddings: QwenImageConditioning,
    rotation: PairRotation? = nil, checkpointing: GradientCheckpointing? = nil
  ) -> Tensor {
    let (height, width) = (latents.shape[2], latents.shape[3])
    let conditioning = time(
      waves(sigma.to(latents.dtype), scale: 1000).to(latents.dtype)
    ).silu()
    let image = input(packed(latents))
    let text = embedded(rows: embeddings)
    let rotation =
      rotation ?? self.rotation(textTokens: text.shape[1], height: height, width: width)
    let keyBias = embeddings.keyBias(imageTokens: image.shape[1])
    let (state, shared) = blockLoop(
      [image, text], shared: [conditioning], count: blocks.count, checkpointing: checkpointing
    ) { index, state, shared in
      let isLast = index == blocks.count - 1
      let (image, text) = blocks[index](
        image: state[0], text: state[1], conditioning: shared[0], rotation, keyBias: keyBias,
        updatesText: !isLast)
      return isLast ? [image.limited()] : [image.limited(), text.limited()]
    }
    let parts = outputModulation.parts(shared[0])
    return unpacked(
      output(modulatedNorm(state[0], shift: parts[1], scale: parts[0])), height: height,
      width: width)
  }

  /// The rotation of T text tokens and an image of h x w latent pixels, on the weights' device.
  ///
  /// - Parameter positions: of this network's axes, for many rotations; nil makes them anew.
  func rotation(
    textTokens: Int, height: Int, width: Int, positions: QwenImagePositions? = nil
  ) -> PairRotation {
    PairRotation(
      positions ?? QwenImagePositions(axes: configuration.axesDimsRope), textTokens: textTokens,
      rows: height / 2, columns: width / 2, device: input.weight.device)
  }

  /// The conditioning with its rows after the text input layers, for any number of evaluations;
  /// unchanged while these are trained.
  public func embedded(_ embeddings: QwenImageConditioning) -> QwenImageConditioning {
    let isTrained = textInput.isTrainable || textNorm.weight?.requiresGradient ?? false
    guard !embeddings.isEmbedded, !isTrained else { return embeddings }
    return withoutGradient {
      QwenImageConditioning(
        rows: embedded(rows: embeddings), bias: embeddings.bias, isEmbedded: true)
    }
  }

  private func embedded(rows embeddings: QwenImageConditioning) -> Tensor {
    embeddings.isEmbedded ? embeddings.rows : textInput(textNorm(embeddings.rows))
  }
}

extension DoubleStreamBlock.Names {
  /// The names of diffusers' `QwenImageTransformerBlock`.
  static let qwenImage = Self(modulation: "img_mod.1", feedForward: "img_mlp")
  static let qwenText = Self(modulation: "txt_mod.1", feedForward: "txt_mlp")
}

/// The sigma that the network embeds, rounded as in diffusers' `QwenImagePipeline`: the timestep,
/// 1000 sigma, is rounded to the network's precision and divided by 1000. `[B] -> [B]`
package func qwenImageSigma(_ sigma: Tensor, _ dtype: DType) -> Tensor {
  (sigma.to(.float32) * 1000).to(dtype) / 1000
}

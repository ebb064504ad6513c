public import FlowMatching
public import Torch
public import TorchNN

extension StableDiffusion3Pipeline {
  /// Encodes prompts with the pipeline's own text encoders. Records no gradients.
  public func encode(_ prompts: [String]) -> [PromptEmbeddings] {
    guard let text else {
      preconditionFailure("the pipeline was loaded without its text encoders")
    }
    return text.encode(prompts)
  }

  /// The embeddings of prompts as inputs of the transformer.
  public func conditioning(_ prompts: [PromptEmbeddings]) -> SD3Conditioning {
    SD3Conditioning(
      prompts, width: transformer.network.configuration.jointAttentionDim,
      t5Length: maxSequenceLength)
  }

  public func velocityField(
    of prompts: [PromptEmbeddings], negative: PromptEmbeddings?, embeddedGuidance: Double?,
    checkpointing: GradientCheckpointing?
  ) -> VelocityField {
    precondition(embeddedGuidance == nil, "the network has no guidance input")
    let network = transformer.network
    let timestepScale = Double(scheduler.trainingTimesteps)
    let (dtype, device) = (dtype, device)
    func embedded(_ prompts: [PromptEmbeddings]) -> SD3Conditioning {
      network.embedded(conditioning(prompts).mapped { $0.to(dtype).to(device) })
    }
    let positive = embedded(prompts)
    let all = negative.map { positive.joined(with: embedded([$0])) } ?? positive
    return { latents, sigma, promptIndices in
      network(
        latents.to(dtype), timestep: sigma * timestepScale,
        embeddings: promptIndices.elementsEqual(0..<all.count) ? all : all.selecting(promptIndices),
        checkpointing: checkpointing
      ).to(.float32)
    }
  }

  /// Samples as ``FlowModel/sample(from:prompts:negative:guidance:stepCount:size:)``, with texts
  /// that the pipeline's own text encoders encode, one per image.
  ///
  /// - Parameters:
  ///   - negativePrompt: for all images; used when `guidanceScale` is above 1.
  ///   - guidanceScale: up to 1 there is no guidance, as in diffusers.
  public func sample(
    from initialLatents: Tensor, prompts: [String], negativePrompt: String = "",
    guidanceScale: Double = 1, stepCount: Int
  ) -> Tensor {
    let guidance = Self.defaults.guidance(scale: guidanceScale)
    return sample(
      from: initialLatents, prompts: encode(prompts),
      negative: guidance.needsNegative ? encode([negativePrompt])[0] : nil, guidance: guidance,
      stepCount: stepCount)
  }

  public func decoded(_ latents: Tensor) -> Tensor {
    autoencoder.decoded(latents, tileSide: tileSide)
  }

  public var decoderDType: DType { autoencoder.dtype }

  public var tileUnit: Int { autoencoder.network.configuration.tileUnit }
}

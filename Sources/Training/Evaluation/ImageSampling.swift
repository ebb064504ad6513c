package import DiffusionModels
internal import FlowMatching
package import ImageFiles
import TempFlow
package import Torch

/// Settings of deterministic sampling from fixed noise, for evaluations and samples.
package struct ImageSampling: Sendable, Equatable {
  /// Denoising steps.
  package var steps: Int
  /// Scale of classifier-free guidance; 1 is none.
  package var guidanceScale: Double
  /// Seed of the initial noise: the noise of image i depends on it and i alone.
  package var seed: UInt64
  /// Images of one model call at most. It affects rounding alone.
  package var batch: Int
  /// Images decoded at once.
  package var decodeBatch: Int

  /// - Parameter decodeBatch: nil means `batch`.
  package init(
    steps: Int, guidanceScale: Double = 1, seed: UInt64, batch: Int = 128, decodeBatch: Int? = nil
  ) {
    precondition(steps >= 1 && batch >= 1, "at least one step and one image per call")
    self.decodeBatch = decodeBatch ?? batch
    self.steps = steps
    self.guidanceScale = guidanceScale
    self.seed = seed
    self.batch = batch
  }

  /// The initial noise of a list of images. `-> [images, C, h, w]`
  ///
  /// Every call creates its own generators, so its noise is reproducible.
  ///
  /// - Parameters:
  ///   - images: their numbers.
  ///   - latentShape: `[C, h, w]`
  package func noise(of images: Range<Int>, latentShape: [Int]) -> Tensor {
    Tensor.randn(
      latentShape,
      seeds: images.map { Self.seed(ofImage: $0, run: seed) }, device: .cpu)
  }

  /// The seed of an image's initial noise.
  static func seed(ofImage image: Int, run: UInt64) -> UInt64 {
    noiseSeed(run: run, epoch: 0, prompt: image, seed: 0, step: -1, branch: 0)
  }
}

extension ImageSampling {
  /// The latents of one image per prompt, made in batches. `-> [N, C, h, w]`
  ///
  /// - Parameters:
  ///   - noise: initial latents, `[N, C, h, w]`; nil means the noise of the seed.
  ///   - negative: the negative prompt; needed by classifier-free guidance.
  ///   - rowsPerCall: images of one call where all calls have one size, as on a GPU; nil means
  ///     those of the largest batch.
  ///   - embeddings: encodes the prompts of one batch.
  /// - Throws: errors of `embeddings`.
  package func latents<Failure: Error>(
    of prompts: [Prompt], from noise: Tensor? = nil, _ model: any FlowModel,
    negative: PromptEmbeddings?, rowsPerCall: Int? = nil,
    embeddings: ([Prompt]) throws(Failure) -> [PromptEmbeddings]
  ) throws(Failure) -> Tensor {
    let noise = noise ?? self.noise(of: 0..<prompts.count, latentShape: model.latentShape)
    var parts: [Tensor] = []
    for start in stride(from: 0, to: prompts.count, by: batch) {
      let count = min(batch, prompts.count - start)
      let embeddings = try embeddings(Array(prompts[start..<(start + count)]))
      parts.append(
        TorchRuntime.withSingleThreadedOps {
          model.sample(
            from: noise.narrowed(dim: 0, start: start, length: count), prompts: embeddings,
            negative: negative, guidance: guidance(of: model), stepCount: steps,
            size: rowsPerCall ?? min(batch, prompts.count))
        })
    }
    return Tensor.cat(parts, dim: 0)
  }

  /// Decodes latents in batches. `[N, C, h, w] -> N images`
  package func decoded(
    _ latents: Tensor, _ model: any FlowModel
  ) -> [Result<PixelBuffer, NonFiniteImage>] {
    model.images(latents, microBatch: decodeBatch)
  }

  /// Makes the image of each prompt, in batches: each is handed over before the next is begun.
  ///
  /// - Parameters:
  ///   - noise: as of `latents`, like those that follow.
  ///   - receive: takes the numbers of a batch's prompts, their latents, `[N, C, h, w]`, and their
  ///     images.
  /// - Throws: `TrainingError.notFinite` for the first prompt without an image, or errors of
  ///   `embeddings` and `receive`.
  package func makeImages(
    of prompts: [Prompt], from noise: Tensor? = nil, _ model: any FlowModel,
    negative: PromptEmbeddings?,
    embeddings: ([Prompt]) throws(TrainingError) -> [PromptEmbeddings],
    _ receive: (Range<Int>, Tensor, [PixelBuffer]) throws(TrainingError) -> Void
  ) throws(TrainingError) {
    for start in stride(from: 0, to: prompts.count, by: batch) {
      let range = start..<min(start + batch, prompts.count)
      let noise =
        noise?.narrowed(dim: 0, start: start, length: range.count)
        ?? self.noise(of: range, latentShape: model.latentShape)
      let latents = try latents(
        of: Array(prompts[range]), from: noise, model, negative: negative,
        rowsPerCall: min(batch, prompts.count), embeddings: embeddings)
      var images: [PixelBuffer] = []
      for (index, image) in zip(range, decoded(latents, model)) {
        switch image {
        case .success(let image): images.append(image)
        case .failure(let fault):
          let step =
            switch fault {
            case .pixels: nil as Int?
            case .latents:
              firstNonFiniteStep(
                from: noise.narrowed(dim: 0, start: index - start, length: 1), model,
                try embeddings([prompts[index]])[0], negative)
            }
          throw .notFinite(
            reason: fault.description, prompt: prompts[index].text, number: index + 1,
            of: prompts.count, step: step, steps: steps)
        }
      }
      try receive(range, latents, images)
    }
  }

  /// The image of each prompt, with text encoders in memory; the negative prompt is the model's.
  ///
  /// - Throws: `TrainingError.notFinite`, or `.prompts` for a condition image.
  package func images(
    of prompts: [Prompt], _ model: any FlowModel, _ encoder: any PromptEncoder
  ) throws(TrainingError) -> [PixelBuffer] {
    var images: [PixelBuffer] = []
    try makeImages(
      of: prompts, model,
      negative: guidance(of: model).needsNegative
        ? encoder.encode([PromptInput(model.defaults.negativePrompt)])[0] : nil,
      embeddings: { prompts throws(TrainingError) in
        var inputs: [PromptInput] = []
        for prompt in prompts { inputs.append(try prompt.input()) }
        return encoder.encode(inputs)
      }
    ) { _, _, batch in images += batch }
    return images
  }

  private func guidance(of model: any FlowModel) -> Guidance {
    model.defaults.guidance(scale: guidanceScale)
  }

  /// The first step with a non-finite result, from 0, for one prompt. Its steps are repeated and
  /// checked one by one; nil if all are finite.
  private func firstNonFiniteStep(
    from noise: Tensor, _ model: any FlowModel, _ prompt: PromptEmbeddings,
    _ negative: PromptEmbeddings?
  ) -> Int? {
    TorchRuntime.withSingleThreadedOps {
      let field = model.velocityField(
        [prompt], negative: negative, guidance: guidance(of: model))
      var state = noise.to(model.device)
      return (0..<steps).first { step in
        state = integrate(
          field, from: state, over: model.schedule(stepCount: steps), promptIndices: [0],
          steps: step..<(step + 1))
        return firstNonFinite([(name: "latents", tensor: state)]) != nil
      }
    }
  }
}

import DiffusionModels
import ImageFiles
import Torch
import Training

// Prompts of plain text.

extension PromptCache {
  func prepare(_ texts: [String]) throws(TrainingError) { try prepare(texts.map { Prompt($0) }) }

  func embeddings(_ texts: [String]) throws(TrainingError) -> [PromptEmbeddings] {
    try embeddings(texts.map { Prompt($0) })
  }
}

extension ImageSampling {
  /// Images with the pipeline's own text encoders.
  func images(
    of texts: [String], _ pipeline: StableDiffusion3Pipeline
  ) throws -> [PixelBuffer] {
    guard let text = pipeline.text else { preconditionFailure("no text encoders") }
    return try images(of: texts.map { Prompt($0) }, pipeline, text)
  }

  func latents(of texts: [String], _ pipeline: StableDiffusion3Pipeline) -> Tensor {
    latents(
      of: texts.map { Prompt($0) }, pipeline, negative: pipeline.encode([""])[0],
      embeddings: { pipeline.encode($0.map(\.text)) })
  }
}

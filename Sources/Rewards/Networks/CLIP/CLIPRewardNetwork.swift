import DiffusionModels
import ImageFiles
import TextTokenizers
import Torch
import TorchNN

/// How well an image fits its prompt: the scaled cosine of their CLIP embeddings.
struct CLIPRewardNetwork: ScoringNetwork {
  /// The unit of a score.
  enum Scale {
    /// The cosine itself.
    case cosine
    /// The logit, which is the cosine times the model's learned factor, over a number.
    case logit(over: Double)
  }

  private let model: CLIPModel
  private let tokenizer: CLIPTokenizer
  private let processor: CLIPImageProcessor
  private let device: Device
  /// The score of a cosine of 1.
  private let factor: Double

  /// Loads the weights.
  ///
  /// - Parameters:
  ///   - reference: the package whose tokenizer the reward's authors used.
  ///   - fit: how an image that is no square becomes one.
  ///   - contents: the files of the folder, and where they are published.
  /// - Throws: ``RewardError`` for a folder that lacks a file, or whose files do not fit together.
  init(
    _ settings: NetworkSettings, tokenizer reference: CLIPTokenizer.Reference,
    fit: CLIPImageProcessor.Fit = .cropped, scale: Scale, contents: String
  ) throws(RewardError) {
    let folder = try WeightsFolder(settings, contents: contents)
    let configuration: CLIPConfiguration = try folder.configuration()
    tokenizer = try folder.reading { () throws(TokenizerError) in
      try CLIPTokenizer(folder: folder.path, like: reference)
    }
    guard tokenizer.vocabularyCount <= configuration.text.vocabSize else {
      throw folder.problem(
        "\(folder.path): the tokenizer has \(tokenizer.vocabularyCount) tokens, the text tower "
          + "\(configuration.text.vocabSize)")
    }
    processor = try .read(folder, for: configuration.vision, fit: fit)
    let checkpoint = try folder.checkpoint()
    let model = try folder.network(checkpoint, settings) { parameters throws(ParameterError) in
      try CLIPModel(configuration, parameters)
    }
    self.model = model
    switch scale {
    case .cosine: factor = 1
    case .logit(let divisor):
      // The file's number: rounded to bfloat16, its exponential is 1 % lower.
      let logit = checkpoint.tensors["logit_scale"] ?? model.logitScale
      factor = logit.to(.float32).to(.cpu).exp().item() / divisor
    }
    device = settings.device
  }

  func scores(_ batch: [RewardSample]) -> [Double] { (cosines(batch) * factor).doubles() }

  /// One cosine per sample, float32. `[B]`
  private func cosines(_ samples: [RewardSample]) -> Tensor {
    let images = model.vision(processor(samples.map(\.image), on: device))
    // Images of a group share their prompt, which is encoded once.
    var rows: [String: Int] = [:]
    var prompts: [String] = []
    let indices = samples.map { sample in
      if let row = rows[sample.prompt] { return row }
      rows[sample.prompt] = prompts.count
      prompts.append(sample.prompt)
      return prompts.count - 1
    }
    let texts = model.text(ids(prompts)).pooled
      .indexSelect(dim: 0, Tensor(indices, shape: [indices.count]).to(device))
    return (images.unitRows() * texts.unitRows()).sum(dims: [1])
  }

  /// Token ids, padded to the longest prompt; tokens after the end of a text change nothing.
  private func ids(_ prompts: [String]) -> [[Int]] {
    let limit = min(tokenizer.modelMaxLength, model.text.configuration.maxPositionEmbeddings)
    let ids = prompts.map(tokenizer.encode)
    let length = min(ids.map(\.count).max() ?? limit, limit)
    return ids.map { tokenizer.padded($0, to: length) }
  }
}

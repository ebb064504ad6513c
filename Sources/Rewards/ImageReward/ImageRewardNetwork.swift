import DiffusionModels
import ImageFiles
import TextTokenizers
import Torch
import TorchNN

/// ImageReward v1.0 (arXiv 2304.05977): human preference for an image and its prompt, about -2...2
/// with mean 0.
///
/// BLIP's encoders, and linear layers from the first token's state to a score (`ImageReward` of the
/// PyPI package `image-reward`).
struct ImageRewardNetwork: ScoringNetwork {
  private let tokenizer: BERTTokenizer
  private let vision: BLIPVisionEncoder
  private let text: BLIPTextEncoder
  /// Linear layers without activations; always float32.
  private let head: [Linear]
  private let device: Device

  /// The largest number of tokens of a prompt, with start and end.
  private static let promptLength = 35
  /// Mean and standard deviation of the head's output over the training images.
  private static let mean = 0.16717362830052426
  private static let deviation = 1.0333394966054072
  /// Indices of the head's linear layers; dropout layers have the others.
  private static let headPlaces = [0, 2, 4, 6, 7]

  /// Reads the network from the folder `settings.model`.
  ///
  /// - Throws: ``RewardError/setting(reward:key:reason:)``, which names what is missing and where
  ///   it is published.
  init(_ settings: NetworkSettings) throws(RewardError) {
    let folder = try WeightsFolder(settings, contents: ImageRewardFactory.contents)
    let path = folder.path
    let configuration: BLIPConfiguration = try folder.configuration()
    guard configuration.headWidths.count + 1 == Self.headPlaces.count else {
      throw folder.problem("\(path)/config.json: 'head_widths' are not 4")
    }
    tokenizer = try folder.reading { () throws(TokenizerError) in
      try BERTTokenizer(folder: path, adding: ["[DEC]", "[ENC]"])
    }
    guard tokenizer.vocabularyCount == configuration.vocabSize else {
      throw folder.problem(
        "\(path)/vocab.txt has \(tokenizer.vocabularyCount) tokens with two that are added, "
          + "config.json says \(configuration.vocabSize)")
    }
    let (store, headStore) = try folder.checkpoint().stores(headPrefix: "mlp.", settings)
    (vision, text, head) = try folder.reading { () throws(ParameterError) in
      let blip = store.root["blip"]
      let vision = try BLIPVisionEncoder(configuration, blip["visual_encoder"])
      let text = try BLIPTextEncoder(configuration, blip["text_encoder"])
      let widths = [configuration.hiddenSize] + configuration.headWidths + [1]
      var head: [Linear] = []
      for (index, place) in Self.headPlaces.enumerated() {
        head.append(
          try Linear(widths[index], widths[index + 1], headStore.root["mlp"]["layers"][place]))
      }
      try store.finish()
      try headStore.finish()
      return (vision, text, head)
    }
    device = settings.device
  }

  func scores(_ samples: [RewardSample]) -> [Double] {
    let side = vision.configuration.imageSize
    let images = Tensor.cat(
      samples.map { cropped([resized($0.image, side)].normalized(on: device), side) }, dim: 0)
    let ids = samples.map { tokenizer.encode($0.prompt) }
    let states = text(
      ids.map { tokenizer.padded($0, to: Self.promptLength) },
      lengths: ids.map { min($0.count, Self.promptLength) }, image: vision(images))
    let score = head.reduce(states.selected(dim: 1, index: 0).to(.float32)) { $1($0) }
    return score.doubles().map { ($0 - Self.mean) / Self.deviation }
  }

  /// The shorter side becomes `side` (torchvision's `Resize`).
  private func resized(_ image: PixelBuffer, _ side: Int) -> PixelBuffer {
    let short = min(image.width, image.height)
    return image.resized(
      width: side * image.width / short, height: side * image.height / short, filter: .bicubic)
  }

  /// The center, rounded as by torchvision's `CenterCrop`. `[1, 3, h, w] -> [1, 3, side, side]`
  private func cropped(_ image: Tensor, _ side: Int) -> Tensor {
    let margins = image.shape.suffix(2).map { margin in
      Int((Double(margin - side) / 2).rounded(.toNearestOrEven))
    }
    return image.narrowed(dim: 2, start: margins[0], length: side)
      .narrowed(dim: 3, start: margins[1], length: side)
  }
}

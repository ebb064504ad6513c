import DiffusionModels
import ImageFiles
import TextTokenizers
import Torch
import TorchNN

/// HPSv3 (arXiv 2508.03789): human preference for quality and prompt, about 0...15, higher for
/// better images.
///
/// Qwen2-VL with HPSv3's head (`Qwen2VLRewardModelBT` of the PyPI package `hpsv3`). The score is
/// the mean of a normal distribution over people's ratings.
struct HPSv3Network: ScoringNetwork {
  private let tokenizer: QwenTokenizer
  private let vision: Qwen2VLVisionTower
  private let language: Qwen2LanguageModel
  private let head: HPSv3Head
  private let imageToken: Int
  private let rewardToken: Int
  private let device: Device

  /// An image is resized to about this number of pixels.
  private static let pixels = 256 * 28 * 28

  /// Reads the network from the folder `settings.model`.
  ///
  /// - Throws: ``RewardError/setting(reward:key:reason:)``, which names what is missing and where
  ///   it is published.
  init(_ settings: NetworkSettings) throws(RewardError) {
    let folder = try WeightsFolder(settings, contents: HPSv3Factory.contents)
    let path = folder.path
    let tokenizer = try folder.reading { () throws(TokenizerError) in
      try QwenTokenizer(folder: path, adding: [HPSv3Prompt.rewardToken])
    }
    guard let imageToken = tokenizer.id(ofAdded: HPSv3Prompt.imageToken),
      let rewardToken = tokenizer.id(ofAdded: HPSv3Prompt.rewardToken)
    else {
      throw folder.problem("\(path): the tokenizer has no token \(HPSv3Prompt.imageToken)")
    }
    var configuration: Qwen2VLConfiguration = try folder.configuration()
    // The published embedding table was resized to the tokenizer's ids with the reward's token.
    configuration.language.vocabSize = tokenizer.vocabularyCount
    let checkpoint = try folder.checkpoint(HPSv3Factory.baseNames(in: path)[0])
    let networks = try folder.reading { () throws(ParameterError) in
      let (store, headStore) = checkpoint.stores(headPrefix: "rm_head.", settings)
      let head = try HPSv3Head(configuration.language.hiddenSize, headStore.root["rm_head"])
      store.root.ignore("lm_head.weight")
      let vision = try Qwen2VLVisionTower(configuration.visionConfig, store.root["visual"])
      let language = try Qwen2LanguageModel(configuration.language, store.root["model"])
      try store.finish()
      try headStore.finish()
      return (vision, language, head)
    }
    (vision, language, head) = networks
    self.tokenizer = tokenizer
    self.imageToken = imageToken
    self.rewardToken = rewardToken
    device = settings.device
  }

  /// The network's input for one sample.
  struct Input {
    let image: PixelBuffer
    /// The size after resizing.
    let size: Qwen2VLImageSize
    let ids: [Int]
  }

  /// The input of a sample.
  ///
  /// - Throws: ``SkippedSample`` for a prompt that holds a special token, and for an image with one
  ///   side more than 200 times the other.
  func input(_ sample: RewardSample) throws(SkippedSample) -> Input {
    let images = Qwen2VLImage(configuration: vision.configuration)
    let (width, height) = (sample.image.width, sample.image.height)
    guard let size = images.size(width: width, height: height, pixels: Self.pixels) else {
      throw SkippedSample(reason: "image too narrow")
    }
    let ids = tokenizer.encode(HPSv3Prompt.text(sample.prompt, imageTokens: size.tokens))
    guard ids.count(where: { $0 == imageToken }) == size.tokens,
      ids.count(where: { $0 == rewardToken }) == 1
    else { throw SkippedSample(reason: "prompt holds a special token") }
    return Input(image: sample.image, size: size, ids: ids)
  }

  /// Images of one size share a batch.
  func canShareBatch(_ first: Input, _ second: Input) -> Bool { first.size == second.size }

  func scores(_ batch: [Input]) -> [Double] {
    let size = batch[0].size
    let merge = vision.configuration.spatialMergeSize
    let patches = Qwen2VLImage(configuration: vision.configuration)
      .patches(batch.map(\.image), size: size, on: device)
    let features = vision(patches, rows: size.rows * merge, columns: size.columns * merge)
    // Attention is causal, so padding at the end of a row changes no earlier token.
    let length = batch.map(\.ids.count).max() ?? 0
    let rows = batch.map(\.ids).map { $0 + [Int](repeating: 0, count: length - $0.count) }
    let tokens = language.embed(rows)
    guard let start = rows[0].firstIndex(of: imageToken) else { return [] }
    let end = start + size.tokens
    let embeddings = Tensor.cat(
      [
        tokens.narrowed(dim: 1, start: 0, length: start), features.to(tokens.dtype),
        tokens.narrowed(dim: 1, start: end, length: length - end),
      ], dim: 1)
    // The package passes no positions to its language model, and transformers then numbers all
    // tokens in sequence, image tokens included.
    let positions = [[Int]](repeating: Array(0..<length), count: 3)
    let states = language(embeddings, positions: positions)
    let places = rows.enumerated().compactMap { row, ids in
      ids.firstIndex(of: rewardToken).map { row * length + $0 }
    }
    let index = Tensor(places, shape: [places.count]).to(device)
    return head(states.flattened(from: 0, to: 1).indexSelect(dim: 0, index)).doubles()
  }
}

/// Three linear layers from a state to mean and deviation of its score; always float32.
struct HPSv3Head {
  private let layers: [Linear]

  init(_ width: Int, _ parameters: ParameterScope) throws(ParameterError) {
    layers = [
      try Linear(width, 1024, parameters[0]), try Linear(1024, 16, parameters[3]),
      try Linear(16, 2, parameters[5]),
    ]
  }

  /// The mean, which is the reward. `[B, D] -> [B]`
  func callAsFunction(_ states: Tensor) -> Tensor {
    let first = layers[0](states.to(.float32)).relu()
    return layers[2](layers[1](first).relu()).selected(dim: 1, index: 0)
  }
}

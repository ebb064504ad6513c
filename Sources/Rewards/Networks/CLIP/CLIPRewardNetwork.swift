import DiffusionModels
import ImageFiles
import TextTokenizers
import Torch
import TorchNN

/// How well an image fits its prompt: the cosine of their CLIP embeddings, scaled as each of three
/// published scorers scales it.
struct CLIPRewardNetwork: ScoringNetwork {
  /// The scorers; they differ in weights and scale.
  enum Kind {
    /// PickScore (Kirstain and others, arXiv 2305.01569): the logit over 26, near 0.8.
    case pickScore
    /// CLIPScore: the logit of OpenAI's ViT-L/14 over 30, near 0.9.
    case clipScore
    /// HPSv2 (Wu and others, arXiv 2306.09341): the cosine, near 0.27.
    case hpsv2

    /// What the folder of weights must hold, and where that is published.
    var contents: String {
      switch self {
      case .pickScore: "the files of the Hugging Face repository yuvalkirstain/PickScore_v1"
      case .clipScore: "the files of the Hugging Face repository openai/clip-vit-large-patch14"
      case .hpsv2:
        "config.json, model.safetensors, tokenizer and preprocessor files as Tools/convert_hpsv2.py"
          + " writes them from HPS_v2.1_compressed.pt of the Hugging Face repository xswu/HPSv2"
      }
    }

    /// Whose tokenizer the scorer's package uses.
    var tokenizer: CLIPTokenizer.Reference {
      switch self {
      case .pickScore, .clipScore: .transformers
      case .hpsv2: .openCLIP
      }
    }
  }

  private let model: CLIPModel
  private let tokenizer: CLIPTokenizer
  private let processor: CLIPImageProcessor
  private let device: Device
  /// What a cosine is multiplied with.
  private let scale: Double

  /// Loads the weights of checked settings.
  ///
  /// Throws ``RewardError`` for a folder that lacks something or does not fit together.
  init(_ kind: Kind, _ settings: RewardSettings) throws(RewardError) {
    let folder = try WeightsFolder(settings, contents: kind.contents)
    let configuration: CLIPConfiguration = try folder.configuration()
    tokenizer = try folder.reading { () throws(TokenizerError) in
      try CLIPTokenizer(folder: folder.path, like: kind.tokenizer)
    }
    guard tokenizer.vocabularyCount <= configuration.text.vocabSize else {
      throw folder.problem(
        "\(folder.path): the tokenizer has \(tokenizer.vocabularyCount) tokens, the text tower "
          + "\(configuration.text.vocabSize)")
    }
    processor = try .read(folder, for: configuration.vision)
    model = try folder.network(try folder.checkpoint(), settings) {
      parameters throws(ParameterError) in
      try CLIPModel(configuration, parameters)
    }
    let factor = model.logitScale.to(.float32).to(.cpu).exp().item()
    switch kind {
    case .pickScore: scale = factor / 26
    case .clipScore: scale = factor / 30
    case .hpsv2: scale = 1
    }
    device = settings.device
  }

  func scores(_ batch: [RewardSample]) -> [Double] { (cosines(batch) * scale).doubles() }

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

  /// Token ids, filled up to the longest prompt; what follows the end of a text changes nothing.
  private func ids(_ prompts: [String]) -> [[Int]] {
    let limit = min(tokenizer.modelMaxLength, model.text.configuration.maxPositionEmbeddings)
    let ids = prompts.map(tokenizer.encode)
    let length = min(ids.map(\.count).max() ?? limit, limit)
    return ids.map { tokenizer.padded($0, to: length) }
  }
}

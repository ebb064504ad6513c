/// The metadata of adapters in the header of their file; unknown entries are nil or empty.
public struct LoRARecord: Equatable, Sendable {
  /// The base model, such as `stabilityai/stable-diffusion-3.5-medium`.
  public var baseModel: String?
  /// The pipeline's class of the base model, such as `FluxPipeline`.
  public var modelClass: String?
  /// The recipe's name.
  public var recipe: String?
  /// Number of trained epochs.
  public var epoch: Int?
  /// Number of optimizer updates.
  public var updates: Int?
  /// The names of the rewards.
  public var rewards: [String]
  /// The size of the training's images.
  public var imageSize: ImageSize?
  /// Tokens of a prompt for the longest text encoder in training.
  public var maxSequenceLength: Int?
  /// The program and its version.
  public var software: String?

  public init(
    baseModel: String? = nil, modelClass: String? = nil, recipe: String? = nil,
    epoch: Int? = nil, updates: Int? = nil,
    rewards: [String] = [], imageSize: ImageSize? = nil,
    maxSequenceLength: Int? = nil, software: String? = nil
  ) {
    self.baseModel = baseModel
    self.modelClass = modelClass
    self.recipe = recipe
    self.epoch = epoch
    self.updates = updates
    self.rewards = rewards
    self.imageSize = imageSize
    self.maxSequenceLength = maxSequenceLength
    self.software = software
  }

  /// The name of the model in `folder`: the repository's for a folder of the Hugging Face cache
  /// (`models--stabilityai--stable-diffusion-3.5-medium/snapshots/…`), else the folder's own.
  public static func modelName(folder: String) -> String {
    let parts = folder.split(separator: "/")
    let cachePrefix = "models--"
    if let repository = parts.last(where: { $0.hasPrefix(cachePrefix) }) {
      let name = repository.dropFirst(cachePrefix.count)
      return String(name.replacing("--", with: "/", maxReplacements: 1))
    }
    return parts.last.map(String.init) ?? folder
  }
}

// MARK: - The header of a safetensors file

extension LoRARecord {
  private enum Key {
    static let baseModel = "tempflow.base_model"
    static let recipe = "tempflow.recipe"
    static let epoch = "tempflow.epoch"
    static let updates = "tempflow.updates"
    static let rewards = "tempflow.rewards"
    static let modelClass = "tempflow.model_class"
    static let imageSize = "tempflow.image_size"
    static let maxSequenceLength = "tempflow.max_sequence_length"
    static let software = "tempflow.software"
  }

  /// Keys that other programs write about the base model: those of kohya's sd-scripts and of the
  /// model specification.
  private static let foreignModelKeys = [
    "ss_sd_model_name", "ss_base_model_version", "modelspec.architecture",
  ]

  /// Reads the entries of a header; absent entries stay unknown.
  package init(header: [String: String]) {
    let foreign = Self.foreignModelKeys.lazy.compactMap { header[$0] }.first
    self.init(
      baseModel: header[Key.baseModel] ?? foreign, modelClass: header[Key.modelClass],
      recipe: header[Key.recipe],
      epoch: header[Key.epoch].flatMap { Int($0) },
      updates: header[Key.updates].flatMap { Int($0) },
      rewards: header[Key.rewards]?.split(separator: ",").map(String.init) ?? [],
      imageSize: header[Key.imageSize].flatMap(ImageSize.init(text:)),
      maxSequenceLength: header[Key.maxSequenceLength].flatMap { Int($0) },
      software: header[Key.software])
  }

  /// The known values as entries of a header.
  package var header: [String: String] {
    var header: [String: String] = [:]
    header[Key.baseModel] = baseModel
    header[Key.recipe] = recipe
    header[Key.epoch] = epoch.map(String.init)
    header[Key.updates] = updates.map(String.init)
    header[Key.rewards] = rewards.isEmpty ? nil : rewards.joined(separator: ",")
    header[Key.modelClass] = modelClass
    header[Key.imageSize] = imageSize?.text
    header[Key.maxSequenceLength] = maxSequenceLength.map(String.init)
    header[Key.software] = software
    return header
  }
}

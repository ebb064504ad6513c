package import Recipes
package import Torch

/// The keys of a reward that is a network: `model`, `precision`, `device` and `batch_size`.
package struct NetworkSettings: Sendable, Equatable {
  /// What metrics and errors call the reward.
  package var label: String
  /// The folder of weights.
  package var model: String
  /// Precision of the weights.
  package var precision: DType
  /// Where the network runs.
  package var device: Device
  /// Whether the recipe names the device with an index.
  package var isDeviceIndexed = false
  /// The largest number of images in one call, 1...
  package var batchSize: Int

  package init(
    label: String, model: String, precision: DType = .float32, device: Device = .cpu,
    batchSize: Int = 16
  ) {
    self.label = label
    self.model = model
    self.precision = precision
    self.device = device
    self.batchSize = batchSize
  }

  /// Reads the keys of a recipe's entry.
  ///
  /// - Parameter device: the default.
  init(_ section: RecipeSection, label: String, device: Device) {
    let model = section.path("model")
    let precision = section.choice("precision", default: PrecisionName.float32).dtype
    let (device, isIndexed) = DeviceName.readIndexed(section, default: device)
    self.init(
      label: label, model: model, precision: precision, device: device,
      batchSize: section.batchSize(default: 16))
    isDeviceIndexed = isIndexed
  }

  /// The settings of one process, with its own GPU for `cuda`.
  ///
  /// - Throws: ``RewardError/setting(reward:key:reason:)`` for a GPU with an index when several
  ///   processes of a host would share it.
  func placed(at place: RewardPlace) throws(RewardError) -> NetworkSettings {
    if isDeviceIndexed, place.localSize > 1, case .cuda = device {
      throw .setting(
        reward: label, key: "device",
        reason: "is \(device), one GPU for all \(place.localSize) processes of this host; write "
          + "cuda, which is each process's own GPU, or cpu")
    }
    var placed = self
    placed.device = place.device(device)
    return placed
  }
}

/// A kind of reward that is a network with weights in a folder.
package protocol NetworkRewardFactory: RewardFactory {
  /// The files of the folder, and where they are published.
  static var contents: String { get }

  /// The names of the files of weights in a folder, without their ending.
  static func baseNames(in folder: String) -> [String]

  /// How the names of tensors begin that the file has and the network does not read.
  static var unread: [String] { get }

  var settings: NetworkSettings { get }

  init(_ settings: NetworkSettings)
}

extension NetworkRewardFactory {
  package init(_ section: RecipeSection, label: String, device: Device) {
    self.init(NetworkSettings(section, label: label, device: device))
  }

  package var label: String { settings.label }
  package var device: Device? { settings.device }

  package var networkFiles: NetworkFiles? {
    NetworkFiles(
      folder: settings.model, baseNames: Self.baseNames(in: settings.model), unread: Self.unread,
      precision: settings.precision)
  }

  package static func baseNames(in folder: String) -> [String] { ["model"] }
  package static var unread: [String] { [] }

  /// Checks that the folder of weights is there.
  ///
  /// - Throws: ``RewardError/failed(reward:reason:)``: a recipe may be read where it is not.
  package func check() throws(RewardError) {
    guard WeightsFolder.exists(settings.model) else {
      throw .failed(
        reward: label,
        reason: "its model, \(settings.model), is no folder; it must hold \(Self.contents)")
    }
  }

  package func placed(at place: RewardPlace) throws(RewardError) -> Self {
    Self(try settings.placed(at: place))
  }
}

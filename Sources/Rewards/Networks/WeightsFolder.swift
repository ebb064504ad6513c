import DiffusionModels
import Foundation
import TextTokenizers
import Torch
import TorchNN

/// The folder of a reward's network, and the words for what is wrong with it.
struct WeightsFolder {
  /// The folder's path.
  let path: String
  /// What the recipe calls the reward.
  private let label: String
  /// What the folder must hold, and where that is published.
  private let contents: String

  /// Throws ``RewardError/setting(reward:key:reason:)`` when the settings name no folder, or a
  /// device that is not there.
  ///
  /// - Parameter contents: what the folder must hold, and where that is published: part of every
  ///   error.
  init(_ settings: RewardSettings, contents: String) throws(RewardError) {
    label = settings.label
    path = settings.model ?? ""
    self.contents = contents
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue
    else { throw problem(settings.model.map { "\($0) is no folder" } ?? "is missing") }
    do { try TorchRuntime.check(settings.device) } catch {
      throw .setting(reward: label, key: .device, reason: error.description)
    }
  }

  /// The error for a folder that cannot be used.
  func problem(_ reason: String) -> RewardError {
    .setting(reward: label, key: .model, reason: "\(reason); the folder must hold \(contents)")
  }

  /// Runs what reads the folder, and says of its errors what the folder must hold.
  func reading<Result, Failure: Error & CustomStringConvertible>(
    _ body: () throws(Failure) -> Result
  ) throws(RewardError) -> Result {
    do throws(Failure) {
      return try body()
    } catch {
      throw problem(error.description)
    }
  }

  /// `config.json`.
  func configuration<Configuration: ModelConfiguration>() throws(RewardError) -> Configuration {
    try reading { () throws(ModelError) in try Configuration(contentsOf: "\(path)/config.json") }
  }

  /// The weights `<baseName>.safetensors`, or their shards.
  func checkpoint(_ baseName: String = "model") throws(RewardError) -> WeightsFile {
    try reading { () throws(SafetensorsError) in
      try WeightsFile.open(folder: path, baseName: baseName)
    }
  }

  /// Builds a network on the settings' device.
  ///
  /// - Parameters:
  ///   - dtype: nil takes the settings' precision.
  ///   - isWhole: whether every tensor of the checkpoint must be used.
  func network<Network>(
    _ checkpoint: WeightsFile, _ settings: RewardSettings, dtype: DType? = nil,
    isWhole: Bool = true, build: (ParameterScope) throws(ParameterError) -> Network
  ) throws(RewardError) -> Network {
    let store = ParameterStore(
      .checkpoint(checkpoint), dtype: dtype ?? settings.precision, device: settings.device)
    return try reading { () throws(ParameterError) in
      let network = try build(store.root)
      if isWhole { try store.finish() }
      return network
    }
  }
}

extension WeightsFile {
  /// A store of the network in the precision of the settings, and one of its head, the tensors
  /// whose names begin with `headPrefix`, in float32: a score has more digits than bfloat16.
  func stores(
    headPrefix: String, _ settings: RewardSettings
  ) -> (network: ParameterStore, head: ParameterStore) {
    let head = tensors.filter { $0.key.hasPrefix(headPrefix) }
    let store = ParameterStore(
      .checkpoint(self), dtype: settings.precision, device: settings.device)
    for key in head.keys { store.root.ignore(key) }
    return (
      store,
      ParameterStore(.checkpoint(head, origin: path), dtype: .float32, device: settings.device)
    )
  }
}

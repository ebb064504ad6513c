import DiffusionModels
import Foundation
import TextTokenizers
import Torch
import TorchNN

/// The folder of a reward's network, with the errors about it.
struct WeightsFolder {
  /// The folder's path.
  let path: String
  /// The reward's label, for errors.
  private let label: String
  /// The files of the folder, and where they are published.
  private let contents: String

  /// - Parameter contents: the files of the folder, and where they are published: part of every
  ///   error.
  /// - Throws: ``RewardError/setting(reward:key:reason:)`` when `settings.model` is no folder, or
  ///   `settings.device` does not exist.
  init(_ settings: NetworkSettings, contents: String) throws(RewardError) {
    label = settings.label
    path = settings.model
    self.contents = contents
    guard Self.exists(path) else { throw problem("\(path) is no folder") }
    do { try TorchRuntime.check(settings.device) } catch {
      throw .setting(reward: label, key: "device", reason: error.description)
    }
  }

  static func exists(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      && isFolder.boolValue
  }

  /// The error for a folder that cannot be used.
  func problem(_ reason: String) -> RewardError {
    .setting(reward: label, key: "model", reason: "\(reason); the folder must hold \(contents)")
  }

  /// Runs `body`, which reads the folder; its errors gain the list of files.
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
    _ checkpoint: WeightsFile, _ settings: NetworkSettings, dtype: DType? = nil,
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
  /// Splits the weights into the network, in the precision of the settings, and its head, the
  /// tensors whose names begin with `headPrefix`, in float32: a score has more digits than
  /// bfloat16.
  func stores(
    headPrefix: String, _ settings: NetworkSettings
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

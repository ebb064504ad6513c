import Foundation
import Torch
import TorchNN

extension LoRA {
  /// Writes the adapters in one step: a failure leaves no partial file.
  ///
  /// - Parameters:
  ///   - path: a folder for `.peft`, a file for the other layouts; parent folders are created.
  ///   - replacing: whether an existing file or folder may be replaced.
  public func write(
    _ format: Format, to path: String, replacing: Bool = false
  ) throws(PipelineError) {
    try refuseToReplace(path, replacing, mark: PEFTConfig.fileName)
    try checkFinite()
    switch format {
    case .peft:
      try writeFolder(path) { folder throws(PipelineError) in try writePEFT(folder) }
    case .diffusers:
      let tensors = named(Self.diffusersPrefix)
      try writeFile(tensors, settings: (PEFTConfig(config), Self.diffusersPrefix), to: path)
    case .kohya: try writeFile(try kohyaTensors(), settings: nil, to: path)
    }
  }

  private func writePEFT(_ folder: String) throws(PipelineError) {
    var configuration = PEFTConfig(config)
    configuration.baseModel = record.baseModel
    // diffusers reads rank and alpha from the header, PEFT from the file beside the weights.
    try writeFile(
      named(Self.peftPrefix), settings: (configuration, Self.peftPrefix),
      to: "\(folder)/\(Self.peftFile)")
    try DiffusionModels.writeFile("\(folder)/\(PEFTConfig.fileName)") {
      try configuration.json()
    }
  }

  /// The tensors under the names of a layout, in float32.
  private func named(_ prefix: String) -> [(String, Tensor)] {
    tensors.map { (prefix + $0.key, $0.value.to(.float32)) }
  }

  private func writeFile(
    _ tensors: [(String, Tensor)],
    settings: (configuration: PEFTConfig, prefix: String)?, to path: String
  ) throws(PipelineError) {
    var metadata = record.header
    metadata["format"] = "pt"
    if let (configuration, prefix) = settings {
      metadata[PEFTConfig.headerKey] = try writing(path) {
        try configuration.headerText(prefix: prefix)
      }
    }
    try makeFolder(URL(fileURLWithPath: path).deletingLastPathComponent().path)
    try wrapping(PipelineError.weights) { () throws(SafetensorsError) in
      try Safetensors.write(tensors, metadata: metadata, to: path)
    }
  }
}

/// Throws `PipelineError.exists` if `path` exists and must not be replaced, and `.unwritable` if it
/// is a folder with other things than what replaces it.
///
/// - Parameter mark: a file that every folder of the kind has.
package func refuseToReplace(
  _ path: String, _ replacing: Bool, mark: String
) throws(PipelineError) {
  let files = FileManager.default
  var isFolder: ObjCBool = false
  guard files.fileExists(atPath: path, isDirectory: &isFolder) else { return }
  guard replacing else { throw .exists(path: path) }
  guard isFolder.boolValue, !files.fileExists(atPath: "\(path)/\(mark)") else { return }
  guard files.enumerator(atPath: path)?.nextObject() != nil else { return }
  throw .unwritable(
    path: path,
    reason: "it is a folder of other things, which would be lost; name a new folder, or one with "
      + mark)
}

import Foundation
import Torch
import TorchNN

extension LoRA {
  /// Writes the adapters; what is written is complete or not there.
  ///
  /// - Parameters:
  ///   - path: a folder for `.peft`, a file for the others; folders above it are made.
  ///   - replacing: whether what is there already may be replaced.
  /// - Throws: `PipelineError.exists`, `.unwritable`, `.weights`, `.parameters` for adapters that
  ///   are not finite, or `.unsupported` for a layer
  ///   that the layout cannot name.
  public func write(
    _ format: Format, to path: String, replacing: Bool = false
  ) throws(PipelineError) {
    try refuseToReplace(path, replacing)
    try checkFinite()
    switch format {
    case .peft:
      try writeFolder(path) { folder throws(PipelineError) in try writePEFT(folder) }
    case .diffusers:
      let tensors = named(Self.diffusersPrefix)
      try writeFile(tensors, settings: (PEFTConfig(plan), Self.diffusersPrefix), to: path)
    case .kohya: try writeFile(try kohyaTensors(), settings: nil, to: path)
    }
  }

  private func writePEFT(_ folder: String) throws(PipelineError) {
    var configuration = PEFTConfig(plan)
    configuration.baseModel = record.baseModel
    // diffusers finds rank and alpha in the header, PEFT in the file beside.
    try writeFile(
      named(Self.peftPrefix), settings: (configuration, Self.peftPrefix),
      to: "\(folder)/\(Self.peftFile)")
    try DiffusionModels.writeFile("\(folder)/\(PEFTConfig.fileName)") {
      try configuration.json()
    }
  }

  /// The tensors under a layout's names, in float32.
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

/// Throws `PipelineError.exists` if something is at `path` that may not be replaced.
func refuseToReplace(_ path: String, _ replacing: Bool) throws(PipelineError) {
  if !replacing, FileManager.default.fileExists(atPath: path) { throw .exists(path: path) }
}

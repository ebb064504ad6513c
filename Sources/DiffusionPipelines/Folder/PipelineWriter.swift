public import DiffusionModels
import FlowMatching
import Foundation
import TextTokenizers
import Torch
public import TorchNN

/// Writes pipeline folders that `diffusers.StableDiffusion3Pipeline.from_pretrained` loads.
///
/// Where there is no T5 it must be given `text_encoder_3=None, tokenizer_3=None`: without them
/// diffusers does not take the null of the index for an answer.
public enum PipelineWriter {
  /// Writes a complete pipeline; adapters are left out (`LoRA` writes those).
  ///
  /// The folder is written beside its place and renamed into it once it is complete, after an older
  /// one has been renamed out of the way.
  ///
  /// - Parameter source: the pipeline folder whose text encoders, tokenizers and index are copied;
  ///   nil writes those of the pipeline, which must then have them, without T5.
  /// - Throws: `PipelineError.unreadable`, `.unwritable`, `.weights` or `.tokenizer`; an older
  ///   folder is then unchanged.
  public static func write(
    _ pipeline: StableDiffusion3Pipeline, textFrom source: String? = nil, to folder: String
  ) throws(PipelineError) {
    try writeFolder(folder) { draft throws(PipelineError) in
      try writeComponents(of: pipeline, to: draft)
      if let source {
        try copyText(from: source, to: draft)
      } else {
        guard let text = pipeline.text, text.t5 == nil else {
          preconditionFailure("the text encoders, without T5, or a folder to copy them from")
        }
        try writeText(of: text, to: draft)
      }
    }
  }

  private static func writeComponents(
    of pipeline: StableDiffusion3Pipeline, to folder: String
  ) throws(PipelineError) {
    try writeNetwork(
      pipeline.transformer.network.configuration, pipeline.transformer.store,
      folder: "\(folder)/transformer", weights: diffusersWeights)
    try writeNetwork(
      pipeline.autoencoder.network.configuration, pipeline.autoencoder.store,
      folder: "\(folder)/vae", weights: diffusersWeights)
    try makeFolder("\(folder)/scheduler")
    try writeFile("\(folder)/scheduler/scheduler_config.json") {
      try prettyJSON(pipeline.scheduler)
    }
  }

  private static func writeText(
    of text: PromptEncoder, to folder: String
  ) throws(PipelineError) {
    for (index, suffix) in clipSuffixes.enumerated() {
      let encoder = text.textEncoders[index]
      try writeNetwork(
        encoder.network.configuration, encoder.store,
        folder: "\(folder)/text_encoder\(suffix)", weights: transformersWeights)
      try wrapping(PipelineError.tokenizer) { () throws(TokenizerError) in
        try text.tokenizers[index].write(to: "\(folder)/tokenizer\(suffix)")
      }
    }
    try writeFile("\(folder)/\(ModelIndex.fileName)") { try ModelIndex.json() }
  }

  private static func copyText(
    from source: String, to folder: String
  ) throws(PipelineError) {
    for name in try ModelIndex(folder: source).copiedTextComponents {
      try copyFolder("\(source)/\(name)", to: "\(folder)/\(name)")
    }
    try copyFile("\(source)/\(ModelIndex.fileName)", to: "\(folder)/\(ModelIndex.fileName)")
  }

  /// Writes one component: `config.json` and `<weights>.safetensors`. The folder is made if needed.
  ///
  /// - Throws: `PipelineError.unwritable`, `.weights`, or `.parameters` for a weight that is not
  ///   finite.
  public static func writeNetwork(
    _ configuration: some ModelConfiguration, _ store: ParameterStore, folder: String,
    weights: String
  ) throws(PipelineError) {
    try wrapping(PipelineError.parameters) { () throws(ParameterError) in
      try checkFinite(store.weights, origin: folder)
    }
    try makeFolder(folder)
    try writeFile("\(folder)/config.json") { try configuration.json() + Data("\n".utf8) }
    try wrapping(PipelineError.weights) { () throws(SafetensorsError) in
      try Safetensors.write(
        store.weights.map { ($0.name, $0.tensor.detached()) }, metadata: ["format": "pt"],
        to: "\(folder)/\(weights).safetensors")
    }
  }
}

/// Makes a folder and those above it.
func makeFolder(_ path: String) throws(PipelineError) {
  try writing(path) {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }
}

/// Writes a small file in one step.
func writeFile(_ path: String, _ contents: () throws -> Data) throws(PipelineError) {
  try writing(path) {
    try contents().write(to: URL(fileURLWithPath: path), options: .atomic)
  }
}

import Foundation
import TextTokenizers
import Torch
import TorchNN

extension StableDiffusion3Pipeline {
  /// Writes a folder that diffusers' `StableDiffusion3Pipeline.from_pretrained` loads. A model
  /// without T5 must be loaded there with the arguments `text_encoder_3=None, tokenizer_3=None`;
  /// otherwise diffusers rejects the null of the index.
  ///
  /// - Parameter source: a folder whose text encoders and autoencoder are copied; nil writes those
  ///   of the pipeline, which must not include T5.
  /// - Throws: `PipelineError.unreadable`, `.unwritable`, `.weights` or `.tokenizer`; an older
  ///   folder is then unchanged.
  public func write(to folder: String, textFrom source: String? = nil) throws(PipelineError) {
    try writeFolder(folder) { draft throws(PipelineError) in
      try PipelineWriter.writeNetwork(
        transformer.network.configuration, transformer.store, folder: "\(draft)/transformer",
        weights: diffusersWeights)
      try PipelineWriter.writeScheduler(scheduler, to: draft)
      if let source {
        try Self.copyFrozen(from: source, to: draft)
      } else {
        try PipelineWriter.writeNetwork(
          autoencoder.network.configuration, autoencoder.store, folder: "\(draft)/vae",
          weights: diffusersWeights)
        guard let text, text.t5 == nil else {
          preconditionFailure("needs text encoders without T5, or a folder to copy them from")
        }
        try Self.writeText(of: text, to: draft)
      }
    }
  }

  private static func writeText(
    of text: SD3PromptEncoder, to folder: String
  ) throws(PipelineError) {
    for (index, suffix) in clipSuffixes.enumerated() {
      let encoder = text.textEncoders[index]
      try PipelineWriter.writeNetwork(
        encoder.network.configuration, encoder.store,
        folder: "\(folder)/text_encoder\(suffix)", weights: transformersWeights)
      try wrapping(PipelineError.tokenizer) { () throws(TokenizerError) in
        try text.tokenizers[index].write(to: "\(folder)/tokenizer\(suffix)")
      }
    }
    try writeFile("\(folder)/\(ModelIndex.fileName)") { try SD3ModelIndex.json() }
  }

  /// Copies what training does not change, with the bytes that it has.
  private static func copyFrozen(
    from source: String, to folder: String
  ) throws(PipelineError) {
    try PipelineWriter.copyComponents(
      SD3ModelIndex(folder: source).copiedTextComponents + ["vae"], from: source, to: folder)
  }
}

import DiffusionModels
import FlowMatching
import Foundation
import TestSupport
import Testing
import Torch
import TorchNN

/// How far a quantized base moves velocities and images: the tables of `docs/results/small-cards.md`.
///
/// `TEMPFLOW_MEASURED_MODELS=folder:folder` measures further models, which may take minutes.
@Suite(.serialized) struct QuantizationDifferenceTests {
  private static let folders =
    [repositoryFolder() + "/Models/shapes"]
    + (ProcessInfo.processInfo.environment["TEMPFLOW_MEASURED_MODELS"] ?? "")
    .split(separator: ":").map(String.init)
  private static let sigmas = [0.95, 0.75, 0.5, 0.25, 0.05]
  private static let prompts = [
    "a photo of a red circle", "a photo of two blue squares",
    "a photo of a green triangle left of a yellow circle", "a photo of a purple square",
  ]
  private static let steps = 10

  /// What a model computes from fixed noise.
  private struct Outcome {
    /// By sigma, on the way from the noise to the reference's latents.
    var velocities: [Tensor]
    var latents: Tensor
    /// uint8 `[B, H, W, 3]`
    var images: Tensor
  }

  /// A network's weights.
  private struct Form {
    var name: String
    var dtype = DType.bfloat16
    var quantization = WeightQuantization.none
    var offload = WeightOffload.none
  }

  /// - Parameter target: the latents towards which noise is mixed; nil takes the model's own.
  private func run(_ folder: String, _ form: Form, towards target: Tensor?) throws -> Outcome {
    let isSmall = folder.hasSuffix("/shapes")
    let source = ModelSource(
      folder: folder,
      placement: Placement(
        dtype: form.dtype, autoencoderDType: .float32, quantization: form.quantization,
        offload: form.offload),
      imageSize: isSmall ? nil : ImageSize(height: 256, width: 256),
      maxSequenceLength: isSmall ? nil : 128)
    let family = try FlowModelRegistry.family(of: folder)
    var textSource = source
    textSource.placement.dtype = .float32
    let embeddings = try family.promptEncoder(of: textSource)
      .encode(Self.prompts.map { PromptInput($0) })
    let model = try source.load()
    let guidance = model.defaults.guidance(scale: model.defaults.guidanceScale)
    let rows = Array(embeddings.indices)
    let noise = Tensor.randn(
      model.latentShape(count: embeddings.count), generator: Generator(seed: 1))
    let field = model.velocityField(embeddings, guidance: guidance)
    let latents = model.sample(
      from: noise, prompts: embeddings, guidance: guidance, stepCount: Self.steps)
    let data = target ?? latents
    return withoutGradient {
      Outcome(
        velocities: Self.sigmas.map { sigma in
          field(noise * sigma + data * (1 - sigma), Tensor.full([rows.count], sigma), rows)
        }, latents: latents, images: model.decode(latents))
    }
  }

  @Test(arguments: folders)
  func `a quantized base moves velocities and images as little as half precision does`(
    folder: String
  ) throws {
    let reference = try run(folder, Form(name: "bfloat16"), towards: nil)
    print(
      "\n\(folder)\n|  | \(Self.sigmas.map { "\($0)" }.joined(separator: " | ")) | pixels | PSNR |")
    var largest: [String: Double] = [:]
    for form in [
      Form(name: "float32", dtype: .float32), Form(name: "int8", quantization: .int8),
      Form(name: "float8", quantization: .float8),
      Form(name: "offload", offload: .blocks),
    ] {
      let outcome = try run(folder, form, towards: reference.latents)
      let errors = zip(outcome.velocities, reference.velocities).map { relativeError($0, $1) }
      let difference = outcome.images.to(.float32) - reference.images.to(.float32)
      let square = difference.squared().mean().item()
      let psnr = square == 0 ? .infinity : 10 * log10(255 * 255 / square)
      print(
        "| \(form.name) | \(errors.map { String(format: "%.2g %%", 100 * $0) }.joined(separator: " | "))"
          + String(format: " | %.2f | %.1f dB |", difference.abs().mean().item(), psnr))
      largest[form.name] = errors.max()
    }
    #expect(largest["offload"] == 0)
    // Rounding to 8 bits of a row's largest weight beside bfloat16's 8 bits of each number, and to 4
    // bits of each weight.
    let half = try #require(largest["float32"])
    let (int8, float8) = (try #require(largest["int8"]), try #require(largest["float8"]))
    #expect(0 < int8 && int8 < 3 * half && int8 < float8 && float8 < 10 * half)
  }
}

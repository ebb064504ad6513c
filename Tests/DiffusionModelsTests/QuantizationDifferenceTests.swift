import DiffusionModels
import FlowMatching
import Foundation
import TestSupport
import Testing
import Torch
import TorchNN

/// How far a quantized base moves velocities and images: the tables of
/// `docs/results/small-cards.md`.
///
/// `TEMPFLOW_MEASURED_MODELS=folder:folder` measures further models, which may take minutes: one
/// prompt of 256 x 256 pixels, without an image.
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
  /// What a model computes from fixed noise.
  private struct Outcome {
    /// By sigma, on the way from the noise to the reference's latents.
    var velocities: [Tensor]
    var latents: Tensor
    /// uint8 `[B, H, W, 3]`; nil for a model of the environment.
    var images: Tensor?
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
      .encode(Self.prompts.prefix(isSmall ? 4 : 1).map { PromptInput($0) })
    let model = try source.load()
    // The network's own velocities: classifier-free guidance multiplies their differences.
    let defaults = model.defaults
    let guidance = defaults.guidance(
      scale: defaults.guidance.hasNegative ? 1 : defaults.guidanceScale)
    let rows = Array(embeddings.indices)
    let noise = Tensor.randn(
      model.latentShape(count: embeddings.count), generator: Generator(seed: 1))
    let field = model.velocityField(embeddings, guidance: guidance)
    let latents = model.sample(
      from: noise, prompts: embeddings, guidance: guidance, stepCount: isSmall ? 10 : 1)
    let data = target ?? latents
    return withoutGradient {
      Outcome(
        velocities: Self.sigmas.map { sigma in
          field(noise * sigma + data * (1 - sigma), Tensor.full([rows.count], sigma), rows)
        }, latents: latents, images: isSmall ? model.decode(latents) : nil)
    }
  }

  /// Mean absolute difference of the images in levels of 255, and their PSNR.
  private func pixels(_ outcome: Outcome, _ reference: Outcome) -> String {
    guard let images = outcome.images, let expected = reference.images else { return " | |" }
    let difference = images.to(.float32) - expected.to(.float32)
    let square = difference.squared().mean().item()
    let psnr = square == 0 ? .infinity : 10 * log10(255 * 255 / square)
    return String(format: "%.2f | %.1f dB |", difference.abs().mean().item(), psnr)
  }

  @Test(arguments: folders)
  func `a quantized base moves velocities and images as little as half precision does`(
    folder: String
  ) throws {
    let reference = try run(folder, Form(name: "bfloat16"), towards: nil)
    print("\n\(folder)\n| | " + Self.sigmas.map { "\($0) | " }.joined() + "pixels | PSNR |")
    var largest: [String: Double] = [:]
    for form in [
      Form(name: "float32", dtype: .float32), Form(name: "int8", quantization: .int8),
      Form(name: "float8", quantization: .float8),
      Form(name: "offload", offload: .blocks),
    ] {
      let outcome = try run(folder, form, towards: reference.latents)
      let errors = zip(outcome.velocities, reference.velocities).map { relativeError($0, $1) }
      let cells = errors.map { String(format: "%.2g %% | ", 100 * $0) }.joined()
      print("| \(form.name) | \(cells)\(pixels(outcome, reference))")
      largest[form.name] = errors.max()
    }
    #expect(largest["offload"] == 0)
    // Rounding to 8 bits of a row's largest weight, and to 4 bits of each weight, beside bfloat16's
    // 8 bits of each number.
    let half = try #require(largest["float32"])
    let (int8, float8) = (try #require(largest["int8"]), try #require(largest["float8"]))
    #expect(0 < int8 && int8 < 3 * half && int8 < float8 && float8 < 10 * half)
  }
}

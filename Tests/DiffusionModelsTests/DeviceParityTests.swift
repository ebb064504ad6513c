import DiffusionModels
import TestSupport
import Testing
import Torch
import TorchNN

@Suite(.enabled(if: TorchRuntime.hasCUDA, "needs a CUDA device, real or simulated"))
struct DeviceParityTests {
  /// All arithmetic is float32; TF32 is off.
  private let tolerance = 1e-4

  @Test(arguments: ["transformer-sd3", "transformer-sd35"])
  func `the transformer on the GPU equals diffusers'`(name: String) throws {
    let given = try FixtureCase(
      name, SD3TransformerConfiguration.self, weights: "diffusion_pytorch_model",
      device: .cuda(0))
    let model = try SD3Transformer2DModel(given.configuration, given.store.root)
    let latents = try given.leaf("latents")
    let embeddings = SD3Conditioning(
      rows: try given["rows"], pooled: try given["pooled"],
      zeroRowCount: Int(try given["zero_rows"].item()))
    let velocity = model(latents, timestep: try given["timestep"], embeddings: embeddings)
    #expect(relativeError(velocity, try given["velocity"]) < tolerance)
    velocity.backward(gradient: try given["cotangent.velocity"])
    let gradient = try #require(latents.gradient)
    #expect(relativeError(gradient, try given["gradient.latents"]) < tolerance)
  }

  @Test(arguments: ["wide", "tall"])
  func `a transformer with masked text on the GPU equals diffusers', with its gradients`(
    name: String
  ) throws {
    let given = try FixtureCase(
      name, in: "qwen-image", QwenImageTransformerConfiguration.self,
      weights: "diffusion_pytorch_model", device: .cuda(0))
    let model = try QwenImageTransformer2DModel(given.configuration, given.store.root)
    func run() throws -> (velocity: Tensor, gradients: [Tensor]) {
      let (latents, rows) = (try given.leaf("latents"), try given.leaf("rows"))
      let velocity = model(
        latents, sigma: try given["sigma"],
        embeddings: QwenImageConditioning(rows: rows, lengths: try given["length"].ints()))
      velocity.backward(gradient: try given["cotangent.velocity"])
      return (velocity.detached(), try [latents, rows].map { try #require($0.gradient) })
    }
    let (first, second) = (try run(), try run())
    #expect(relativeError(first.velocity, try given["velocity"]) < tolerance)
    #expect(relativeError(first.gradients[0], try given["gradient.latents"]) < tolerance)
    #expect(relativeError(first.gradients[1], try given["gradient.rows"]) < tolerance)
    #expect(first.velocity.floats() == second.velocity.floats())
    #expect(first.gradients[1].floats() == second.gradients[1].floats())
  }

  @Test func `the autoencoder on the GPU equals diffusers'`() throws {
    let given = try FixtureCase(
      "autoencoder", AutoencoderKLConfiguration.self, weights: "diffusion_pytorch_model",
      device: .cuda(0))
    let model = try AutoencoderKL(given.configuration, given.store.root)
    let (latents, images) = (try given["latents"], try given["images"])
    let (decoded, mean) = withoutGradient { (model.decode(latents), model.encode(images).mean) }
    #expect(relativeError(decoded, try given["decoded"]) < tolerance)
    #expect(relativeError(mean, try given["mean"]) < tolerance)
  }

  @Test func `the causal autoencoder on the GPU equals diffusers', for images and videos`() throws {
    let given = try FixtureCase(
      "autoencoder-qwen-image", AutoencoderKLQwenImageConfiguration.self,
      weights: "diffusion_pytorch_model", device: .cuda(0))
    let model = try AutoencoderKLQwenImage(given.configuration, given.store.root)
    for (prefix, images, latents) in [
      ("", try given["images"], try given["latents"]),
      ("video_", try given["video"], try given["video_latents"]),
    ] {
      let (decoded, mean) = withoutGradient { (model.decode(latents), model.encode(images).mean) }
      #expect(relativeError(decoded, try given[prefix + "decoded"]) < tolerance)
      #expect(relativeError(mean, try given[prefix + "mean"]) < tolerance)
    }
    let latents = try given["latents"]
    let converted = withoutGradient { model.normalized(model.denormalized(latents)) }
    #expect(relativeError(converted, latents) < tolerance)
  }
}

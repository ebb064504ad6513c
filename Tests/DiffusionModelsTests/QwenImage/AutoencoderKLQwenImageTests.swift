import DiffusionModels
import Foundation
import TestSupport
import Testing
import Torch
import TorchNN

private let fixtures = ["autoencoder-qwen-image", "autoencoder-qwen-image-deep"]

/// Encodes a video with a small network.
private func encode(frames: Int) throws {
  var configuration = AutoencoderKLQwenImageConfiguration()
  configuration.baseDim = 2
  let model = try AutoencoderKLQwenImage(
    configuration, ParameterStore(.random(Generator(seed: 1))).root)
  _ = model.encode(Tensor.zeros([1, 3, frames, 16, 16]))
}

@Suite struct AutoencoderKLQwenImageTests {
  private func given(
    _ name: String
  ) throws -> (FixtureCase<AutoencoderKLQwenImageConfiguration>, AutoencoderKLQwenImage) {
    let given = try FixtureCase(
      name, AutoencoderKLQwenImageConfiguration.self, weights: "diffusion_pytorch_model")
    let model = try AutoencoderKLQwenImage(given.configuration, given.store.root)
    try given.store.finish()
    return (given, model)
  }

  @Test(arguments: fixtures)
  func `images and videos are encoded and decoded as in diffusers, with their gradients`(
    name: String
  ) throws {
    let (given, model) = try given(name)
    var leaves: [String: Tensor] = [:]
    for name in ["images", "video", "latents", "video_latents"] {
      leaves[name] = try given.leaf(name)
    }
    func leaf(_ name: String) throws -> Tensor { try #require(leaves[name]) }
    let (image, video) = (model.encode(try leaf("images")), model.encode(try leaf("video")))
    let outputs = [
      "mean": image.mean, "log_variance": image.logVariance,
      "decoded": model.decode(try leaf("latents")),
      "video_mean": video.mean, "video_log_variance": video.logVariance,
      "video_decoded": model.decode(try leaf("video_latents")),
    ]
    try given.check(outputs, leaves: leaves)
  }

  @Test(arguments: fixtures)
  func `an image is a video of one frame`(name: String) throws {
    let (given, model) = try given(name)
    let (images, latents) = (try given["images"], try given["latents"])
    withoutGradient {
      let encoded = model.encode(images.unsqueezed(2)).mean
      #expect(largestDifference(encoded.squeezed(2), model.encode(images).mean) == 0)
      let decoded = model.decode(latents.unsqueezed(2))
      #expect(largestDifference(decoded.squeezed(2), model.decode(latents)) == 0)
    }
  }

  @Test(arguments: fixtures)
  func `latents have frames and pixels by the configuration's factors`(name: String) throws {
    let (given, model) = try given(name)
    let configuration = given.configuration
    let (video, latents) = (try given["video"], try given["video_latents"])
    #expect(video.shape[2] == 1 + (latents.shape[2] - 1) * configuration.temporalFactor)
    #expect(video.shape[3] == latents.shape[3] * configuration.spatialFactor)
    let (encoded, decoded) = withoutGradient { (model.encode(video), model.decode(latents)) }
    #expect(encoded.mean.shape == latents.shape)
    #expect(decoded.shape == video.shape)
    #expect(encoded.divergenceFromStandardNormal().shape == [video.shape[0]])
  }

  @Test func `tiles of large images and videos equal diffusers'`() throws {
    let (given, model) = try given("autoencoder-qwen-image")
    let (images, latents) = (try given["tiled.images"], try given["tiled.latents"])
    let tile = TileSize(latentSide: 4)
    let (encoded, decoded) = withoutGradient {
      (model.encode(images, tile: tile), model.decode(latents, tile: tile))
    }
    for (name, found) in [
      ("mean", encoded.mean), ("log_variance", encoded.logVariance), ("decoded", decoded),
    ] {
      #expect(relativeError(found, try given["tiled.\(name)"]) <= parityTolerance, "\(name)")
    }
    let whole = withoutGradient { model.decode(latents) }
    #expect(relativeError(whole, decoded) > 0.01, "tiling must change the result")
  }

  @Test func `a video of another number of frames than 1 + 4 n traps`() async {
    await #expect(processExitsWith: .success) { try encode(frames: 5) }
    await #expect(processExitsWith: .failure) { try encode(frames: 7) }
  }

  @Test(arguments: fixtures)
  func `latents are converted as in diffusers' pipelines`(name: String) throws {
    let (given, model) = try given(name)
    let latents = try given["latents"]
    let (normalized, denormalized) = withoutGradient {
      (model.normalized(latents), model.denormalized(latents))
    }
    #expect(largestDifference(normalized, try given["transformer_latents"]) == 0)
    #expect(largestDifference(denormalized, try given["autoencoder_latents"]) == 0)
    let video = try given["video_latents"]
    let there = withoutGradient { model.denormalized(model.normalized(video)) }
    #expect(relativeError(there, video) < 1e-6)
  }

  @Test(arguments: fixtures)
  func `in bfloat16 the autoencoder stays close`(name: String) throws {
    let (given, _) = try given(name)
    let store = ParameterStore(
      .checkpoint(
        try WeightsFile.open(
          folder: fixture("models/\(name)"), baseName: "diffusion_pytorch_model")),
      dtype: .bfloat16)
    let model = try AutoencoderKLQwenImage(given.configuration, store.root)
    // 8 bits of mantissa: 0.4 % per rounding, over up to thirty layers.
    for (prefix, images, latents) in [
      ("", try given["images"], try given["latents"]),
      ("video_", try given["video"], try given["video_latents"]),
    ] {
      let (mean, decoded) = withoutGradient {
        (model.encode(images.to(.bfloat16)).mean, model.decode(latents.to(.bfloat16)))
      }
      #expect(mean.dtype == .bfloat16 && decoded.dtype == .bfloat16)
      #expect(relativeError(mean.to(.float32), try given[prefix + "mean"]) < 0.05)
      #expect(relativeError(decoded.to(.float32), try given[prefix + "decoded"]) < 0.05)
    }
  }

  @Test(arguments: [DType.float32, .bfloat16])
  func `an image has the same bits whatever the other images of its batch`(dtype: DType) throws {
    var configuration = AutoencoderKLQwenImageConfiguration()
    configuration.baseDim = 32
    let store = ParameterStore(.random(Generator(seed: 1)), dtype: dtype)
    let model = try AutoencoderKLQwenImage(configuration, store.root)
    func normal(_ shape: [Int], _ seed: UInt64) -> Tensor {
      Tensor.randn(shape, generator: Generator(seed: seed)).to(dtype)
    }
    func results(beside other: UInt64) -> [[Float]] {
      let images = Tensor.cat([normal([1, 3, 64, 48], 2), normal([2, 3, 64, 48], other)], dim: 0)
      let latents = Tensor.cat([normal([1, 16, 8, 6], 4), normal([2, 16, 8, 6], other)], dim: 0)
      return withoutGradient {
        [model.encode(images).mean, model.decode(latents)].map {
          $0.narrowed(dim: 0, start: 0, length: 1).floats()
        }
      }
    }
    #expect(results(beside: 5) == results(beside: 6))
  }

  @Test func `the full autoencoder has diffusers' keys, shapes and configuration`() throws {
    let configuration = try KeyManifest.configuration(
      "qwen-image-vae", AutoencoderKLQwenImageConfiguration.self)
    #expect(configuration == AutoencoderKLQwenImageConfiguration())
    #expect(configuration.spatialFactor == 8)
    #expect(configuration.temporalFactor == 4)
    try KeyManifest.check("qwen-image-vae") { _ = try AutoencoderKLQwenImage(configuration, $0) }
  }

  @Test func `a written configuration is read back`() throws {
    var configuration = AutoencoderKLQwenImageConfiguration()
    configuration.zDim = 2
    configuration.latentsMean = [0.5, -1]
    configuration.latentsStd = [1, 2]
    configuration.temporalDownsample = [true, false, false]
    let text = try configuration.json()
    #expect(
      try AutoencoderKLQwenImageConfiguration(json: text, path: "config.json") == configuration)
  }

  @Test(arguments: [
    (#"{"base_dim": 0}"#, "base_dim"), (#"{"num_res_blocks": 0}"#, "num_res_blocks"),
    (#"{"dim_mult": []}"#, "dim_mult"), (#"{"dim_mult": [1, 0, 4, 4]}"#, "dim_mult"),
    (#"{"base_dim": 3, "dim_mult": [1, 1, 2, 2]}"#, "dim_mult"),
    (#"{"temperal_downsample": [true]}"#, "temperal_downsample"),
    (#"{"temperal_downsample": [true, true, true]}"#, "temperal_downsample"),
    (#"{"attn_scales": [0.5]}"#, "attn_scales"), (#"{"dropout": 0.1}"#, "dropout"),
    (#"{"latents_mean": [0.5]}"#, "latents_mean"), (#"{"latents_std": [0.5]}"#, "latents_std"),
    (
      #"{"z_dim": 1, "latents_mean": [0], "latents_std": [0]}"#, "latents_std"
    ),
    (#"{"temporal_downsample": [false, true, true]}"#, "temporal_downsample"),
  ])
  func `a value without support is an error with its key`(text: String, key: String) throws {
    let error = #expect(throws: ModelError.self) {
      try AutoencoderKLQwenImageConfiguration(json: Data(text.utf8), path: "config.json")
    }
    #expect("\(try #require(error))".contains("'\(key)'"))
  }
}

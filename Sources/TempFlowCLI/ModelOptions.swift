import ArgumentParser
import DiffusionModels
import DiffusionPipelines
import FlowMatching
import ImageFiles
import Rewards
import Runs
import Torch
import TorchNN
import Training

/// Which model, in which precision, on which device: shared by `sample` and `evaluate`.
struct ModelOptions: ParsableArguments {
  @Option(name: .long, help: "Model folder in diffusers layout.")
  var model: String

  @Option(name: .long, help: "Second set of weights in the folder to read, such as fp16.")
  var variant: String?

  @Option(name: .long, help: "LoRA adapters: a PEFT folder, or a diffusers or kohya file.")
  var lora: String?

  @Option(
    name: .long,
    help: "Precision of the networks: float32, bfloat16 or float16 (default: the files').")
  var dtype: PrecisionName?

  @Option(
    name: .long, help: "Where to compute: cpu, cuda (the first GPU) or cuda:N. (default: cpu)",
    transform: device(named:))
  var device = Device.cpu

  @Option(
    name: .long, help: "Folder of encoded prompts (default: tempflow/text in the user's cache).")
  var promptCache: String?

  @Option(name: .long, help: "Processor threads of one operator (default: libtorch's choice).")
  var threads: Int?

  func validate() throws {
    if let threads, threads < 1 { throw ValidationError("--threads must be at least 1") }
  }
}

extension PrecisionName: ExpressibleByArgument {}

/// Reads the value of `--device`.
private func device(named name: String) throws -> Device {
  guard let device = Device(name: name) else {
    throw ValidationError("it must be cpu, cuda or cuda:N")
  }
  return device
}

extension ModelOptions {
  /// Where the networks' weights come from and go.
  private var placement: Placement {
    Placement(device: device, dtype: dtype?.dtype, variant: variant)
  }

  /// Sets up the process for sampling.
  ///
  /// - Throws: `DeviceUnavailable`.
  private func prepare() throws(DeviceUnavailable) {
    try TorchRuntime.check(device)
    TorchRuntime.keepFreedMemory()
    if let threads { TorchRuntime.threadCount = threads }
  }

  /// Reads the model without its text encoders, with its adapters if there are any.
  private func load(_ size: ImageSize?) throws -> StableDiffusion3Pipeline {
    let setup = try lora.map { try LoRA(path: $0).learningSetup(model: model) }
    return try StableDiffusion3Pipeline(
      folder: model, placement, transformer: setup ?? .frozen, text: .absent, imageSize: size)
  }

  /// Encodes the prompts and frees the text encoders, then reads the model and makes an image of
  /// each prompt.
  ///
  /// - Parameter initialLatents: a file to start from; nil takes the seed's noise.
  func sample(
    _ prompts: [String], _ options: SamplingOptions, from initialLatents: String? = nil
  ) throws -> (pipeline: StableDiffusion3Pipeline, latents: Tensor, images: [PixelBuffer]) {
    try prepare()
    return try OutOfMemory.advised({ advice(options) }) {
      try makeImages(prompts, options, from: initialLatents)
    }
  }

  /// What to do when memory runs out.
  private func advice(_ options: SamplingOptions) -> OutOfMemory.Advice {
    let tile = options.tile == nil ? ", decode in tiles (--tile)" : ""
    let half = dtype?.dtype.byteCount == 2 ? "" : ", compute in --dtype bfloat16"
    return OutOfMemory.Advice(
      place: "on \(device) (--batch \(options.batch))",
      remedy: "Lower --batch\(half)\(tile), or make smaller images.")
  }

  private func makeImages(
    _ prompts: [String], _ options: SamplingOptions, from initialLatents: String?
  ) throws -> (pipeline: StableDiffusion3Pipeline, latents: Tensor, images: [PixelBuffer]) {
    let texts = try PromptCache(
      .init(
        model: model, folder: promptCache, placement: placement,
        maxSequenceLength: options.maxSequenceLength), progress: .standardError())
    let isGuided = options.guidanceScale > 1
    try texts.prepare((isGuided ? [options.negativePrompt] : []) + prompts)
    var pipeline = try load(options.imageSize)
    pipeline.tile = try options.tileSize(pipeline.autoencoder.network.configuration)
    let noise = try initialLatents.map {
      try LatentsFile.read($0, shape: pipeline.latentShape(count: prompts.count))
    }
    let sampling = options.imageSampling
    let (latents, images) = try sampling.images(
      of: prompts, from: noise, pipeline,
      negative: isGuided ? try texts.conditions([options.negativePrompt]) : nil,
      conditions: texts.conditions)
    return (pipeline, latents, images)
  }
}

/// How images are made: shared by `sample` and `evaluate`.
struct SamplingOptions: ParsableArguments {
  @Option(name: .long, help: "Denoising steps.")
  var steps = 10

  @Option(name: .long, help: "Classifier-free guidance; 1 is none.")
  var guidanceScale = 1.0

  @Option(name: .long, help: "What guidance leads away from.")
  var negativePrompt = ""

  @Option(
    name: .long, help: "Tokens of a prompt for T5, or rows of zeros in their place: 1 to 512.")
  var maxSequenceLength = PromptEncoder.defaultMaxSequenceLength

  @Option(name: .long, help: "Height of the images in pixels (default: the model's).")
  var height: Int?

  @Option(name: .long, help: "Width of the images in pixels (default: the model's).")
  var width: Int?

  @Option(
    name: .long,
    help: "Decode larger images in overlapping tiles of this side in pixels (default: whole).")
  var tile: Int?

  @Option(name: .long, help: "Seed of the initial noise.")
  var seed: UInt64 = 1

  @Option(name: .long, help: "Images of one model call at most.")
  var batch = 128

  func validate() throws {
    if steps < 1 { throw ValidationError("--steps must be at least 1") }
    if batch < 1 { throw ValidationError("--batch must be at least 1") }
    if !(0...100).contains(guidanceScale) { throw ValidationError("--guidance-scale must be in 0 ... 100") }
    if !PromptEncoder.sequenceLengths.contains(maxSequenceLength) {
      throw ValidationError("--max-sequence-length must be in 1 ... 512")
    }
    if (height == nil) != (width == nil) {
      throw ValidationError("give both --height and --width, or neither")
    }
  }
}

extension SamplingOptions {
  /// The options as a value.
  var imageSampling: ImageSampling {
    ImageSampling(steps: steps, guidanceScale: guidanceScale, seed: seed, batch: batch)
  }

  /// The tiles asked for; nil is none.
  func tileSize(_ autoencoder: AutoencoderKLConfiguration) throws -> TileSize? {
    guard let tile else { return nil }
    let unit = autoencoder.tileUnit
    guard tile > 0, tile.isMultiple(of: unit) else {
      throw ValidationError("--tile must be a multiple of \(unit) for this model, not \(tile)")
    }
    return TileSize(latentSide: tile / autoencoder.spatialFactor)
  }

  /// The size asked for; nil is the model's.
  var imageSize: ImageSize? {
    guard let height, let width else { return nil }
    return ImageSize(height: height, width: width)
  }
}

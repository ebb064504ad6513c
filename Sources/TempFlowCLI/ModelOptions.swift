public import ArgumentParser
import DiffusionModels
import FlowMatching
import ImageFiles
import Rewards
import Runs
import Torch
public import TorchNN
import Training

/// Model, precision and device: shared by `sample` and `evaluate`.
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
    name: .long,
    help: "Stored form of the linear layers in the transformer's blocks: none, int8 or float8.")
  var quantizeBase = WeightQuantization.none

  @Option(
    name: .long,
    help: "blocks keeps the transformer's blocks in the host's memory; none on the device.")
  var offload = WeightOffload.none

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
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads must be in 1 ... 1024")
    }
  }
}

extension PrecisionName: ExpressibleByArgument {}
extension WeightQuantization: ExpressibleByArgument {}
extension WeightOffload: ExpressibleByArgument {}

/// Reads the value of `--device`.
func device(named name: String) throws -> Device {
  guard let device = Device(name: name) else {
    throw ValidationError("it must be cpu, cuda or cuda:N")
  }
  return device
}

extension ModelOptions {
  /// Device and precision of the networks.
  private var placement: Placement {
    Placement(
      device: device, dtype: dtype?.dtype, variant: variant, quantization: quantizeBase,
      offload: offload)
  }

  /// Sets up the process for sampling.
  ///
  /// - Throws: `DeviceUnavailable`.
  private func prepare() throws(DeviceUnavailable) {
    try TorchRuntime.use(device)
    // Large blocks that are kept leave gaps between the weights, which are to be small.
    TorchRuntime.keepFreedMemory(upTo: placement.movesWeights ? 1 << 20 : .max)
    if let threads { TorchRuntime.threadCount = threads }
  }

  /// Loads the model without its text encoders, with its adapters if there are any. Warns of
  /// adapters that were trained with images or prompts of another size.
  private func load(_ source: ModelSource, _ progress: ProgressReporter) throws -> any FlowModel {
    let lora = try lora.map { try LoRA(path: $0) }
    let loaded = try source.load(
      training: try lora?.learningSetup(model: model) ?? .frozen)
    for difference in lora?.differences(
      imageSize: loaded.geometry.image,
      maxSequenceLength: source.maxSequenceLength ?? loaded.defaults.maxSequenceLength) ?? []
    {
      progress.message("warning: \(difference)")
    }
    return loaded
  }

  /// Reads a file of prompts for the model.
  ///
  /// - Parameter rewards: the rewards of the images.
  func prompts(_ path: String, for rewards: [RewardEntry] = []) throws -> [Prompt] {
    try PromptList.read(
      path, for: rewards,
      conditionImages: FlowModelRegistry.defaults(of: model).conditionImages)
  }

  /// Encodes the prompts and frees the text encoders, then loads the model and samples an image of
  /// each prompt, in batches.
  ///
  /// - Parameters:
  ///   - initialLatents: a file of initial latents; nil means the noise of the seed.
  ///   - receive: takes each batch as soon as it is there, as that of `ImageSampling.makeImages`.
  func sample(
    _ prompts: [Prompt], _ options: SamplingOptions, from initialLatents: String? = nil,
    _ receive: (Range<Int>, Tensor, [PixelBuffer]) throws(TrainingError) -> Void
  ) throws -> any FlowModel {
    try prepare()
    return try OutOfMemory.advised({ advice(options) }) {
      try makeImages(prompts, options, from: initialLatents, receive)
    }
  }

  /// The remedy for a lack of memory.
  private func advice(_ options: SamplingOptions) -> OutOfMemory.Advice {
    let tile = options.tile == nil ? ", decode in tiles (--tile)" : ""
    let half = dtype?.dtype.byteCount == 2 ? "" : ", compute in --dtype bfloat16"
    let blocks =
      device == .cpu || offload == .blocks
      ? "" : ", keep the transformer's blocks on the host (--offload blocks)"
    let lower = options.batch == nil ? "Give a small" : "Lower"
    return OutOfMemory.Advice(
      place: "on \(device)" + (options.batch.map { " (--batch \($0))" } ?? ""),
      remedy: "\(lower) --batch\(half)\(blocks)\(tile), or make smaller images.")
  }

  private func makeImages(
    _ prompts: [Prompt], _ options: SamplingOptions, from initialLatents: String?,
    _ receive: (Range<Int>, Tensor, [PixelBuffer]) throws(TrainingError) -> Void
  ) throws -> any FlowModel {
    if let lora { try LearnedAdapters.refuseRunDirectory(lora) }
    let defaults = try FlowModelRegistry.defaults(of: model)
    if let length = options.maxSequenceLength, !defaults.sequenceLengths.contains(length) {
      let lengths = defaults.sequenceLengths
      throw ValidationError(
        "--max-sequence-length must be in \(lengths.lowerBound) ... \(lengths.upperBound)")
    }
    let progress = ProgressReporter.standardError()
    let source = ModelSource(
      folder: model, placement: placement,
      imageSize: try options.imageSize ?? sourceSize(of: prompts, progress),
      maxSequenceLength: options.maxSequenceLength)
    let texts = try PromptCache(.init(source, folder: promptCache), progress: progress)
    guard defaults.guidance != .none || options.guidanceScale.map({ $0 == 1 }) ?? true else {
      throw ValidationError("--guidance-scale: the model has no guidance; leave it out")
    }
    guard defaults.guidance.hasNegative || options.negativePrompt?.isEmpty ?? true else {
      throw ValidationError(
        "--negative-prompt: the model has no classifier-free guidance; leave it out")
    }
    let sampling = try options.imageSampling(source)
    let isGuided = defaults.guidance(scale: sampling.guidanceScale).needsNegative
    let negative = isGuided ? [Prompt(options.negativePrompt ?? defaults.negativePrompt)] : []
    try texts.prepare(negative + prompts)
    var model = try load(source, progress)
    try model.fit(to: (negative + prompts).map(\.text), of: source)
    if let tile = options.tile {
      guard tile > 0, tile.isMultiple(of: model.tileUnit) else {
        throw ValidationError(
          "--tile must be a multiple of \(model.tileUnit) for this model, not \(tile)")
      }
      model.tileSide = tile
    }
    let noise = try initialLatents.map {
      try LatentsFile.read($0, shape: model.latentShape(count: prompts.count))
    }
    let isLong = prompts.count > sampling.batch
    if isLong { progress.begin("sampling", total: prompts.count, unit: "image") }
    defer { progress.end() }
    try sampling.makeImages(
      of: prompts, from: noise, model, negative: try texts.embeddings(negative).first,
      embeddings: texts.embeddings
    ) { range, latents, images throws(TrainingError) in
      try receive(range, latents, images)
      if isLong { progress.update(range.upperBound) }
    }
    return model
  }
}

extension ModelOptions {
  /// The size of the source images, floored to what the model can make; nil without any. One far
  /// larger than the model's own is warned of.
  ///
  /// - Throws: `ValidationError` for source images of different sizes, or one that is too small.
  private func sourceSize(
    of prompts: [Prompt], _ progress: ProgressReporter
  ) throws -> ImageSize? {
    let sizes = try FlowModelRegistry.family(of: model).imageSizes(of: model)
    var first: (path: String, size: ImageSize)?
    var read: Set<String> = []
    for path in prompts.flatMap(\.images) where read.insert(path).inserted {
      let image = try ImageReader.read(path)
      let own = ImageSize(height: image.height, width: image.width)
      guard let size = sizes.floored(own) else {
        throw ValidationError(
          "\(path) has \(own.text) pixels; images of the model have at least "
            + "\(sizes.unit)x\(sizes.unit)")
      }
      if let first, first.size != size {
        throw ValidationError(
          "the source images have different sizes (\(first.path) \(first.size.text), \(path) "
            + "\(size.text)); give --height and --width, to which all are scaled")
      }
      first = first ?? (path, size)
    }
    if let size = first?.size,
      size.height * size.width > 2 * sizes.usual.height * sizes.usual.width
    {
      progress.message(
        "warning: images are made at the size of their source, \(size.text) pixels, and the "
          + "model's own size is \(sizes.usual.text); --height and --width give another one")
    }
    return first?.size
  }
}

/// Sampling settings: shared by `sample` and `evaluate`.
struct SamplingOptions: ParsableArguments {
  @Option(name: .long, help: "Denoising steps.")
  var steps = 10

  @Option(
    name: .long,
    help: "Guidance scale; 1 is none with classifier-free guidance (default: the model's).")
  var guidanceScale: Double?

  @Option(
    name: .long, help: "Negative prompt for classifier-free guidance (default: the model's).")
  var negativePrompt: String?

  @Option(
    name: .long,
    help: "Tokens of a prompt for the longest text encoder (default: the model's).")
  var maxSequenceLength: Int?

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

  @Option(
    name: .long,
    help: "Images of one model call at most (default: as many as fit into memory, up to 128).")
  var batch: Int?

  func validate() throws {
    if !(1...1000).contains(steps) { throw ValidationError("--steps must be in 1 ... 1000") }
    if let batch, !(1...65_536).contains(batch) {
      throw ValidationError("--batch must be in 1 ... 65536")
    }
    if let guidanceScale, !(0...100).contains(guidanceScale) {
      throw ValidationError("--guidance-scale must be in 0 ... 100")
    }
    for (name, side) in [("height", height), ("width", width), ("tile", tile)] {
      if let side, !(1...65_536).contains(side) {
        throw ValidationError("--\(name) must be in 1 ... 65536")
      }
    }
    if (height == nil) != (width == nil) {
      throw ValidationError("give both --height and --width, or neither")
    }
  }
}

extension SamplingOptions {
  /// The options as a value, for a model whose memory does not matter.
  func imageSampling(_ defaults: FlowModelDefaults) -> ImageSampling {
    ImageSampling(
      steps: steps, guidanceScale: guidanceScale ?? defaults.guidanceScale, seed: seed,
      batch: batch ?? Self.largestBatch)
  }

  /// The same, with batches that fit into the memory of the model's device, before the model is
  /// there: a reward's network may be.
  func imageSampling(_ source: ModelSource) throws -> ImageSampling {
    let family = try FlowModelRegistry.family(of: source.folder)
    let defaults = try family.defaults(of: source.folder)
    var sampling = imageSampling(defaults)
    let fitting = ImagesAtOnce(
      try family.metadata(of: source, training: .full), source.placement,
      rows: defaults.guidance(scale: sampling.guidanceScale).rowsPerSample, most: sampling.batch,
      memory: TorchRuntime.freeMemory(of: source.placement.device))
    sampling.batch = batch ?? fitting.sampled
    sampling.decodeBatch = min(sampling.batch, fitting.decoded)
    return sampling
  }

  private static let largestBatch = 128

  /// The size of the options; nil means the size of the model.
  var imageSize: ImageSize? {
    guard let height, let width else { return nil }
    return ImageSize(height: height, width: width)
  }
}

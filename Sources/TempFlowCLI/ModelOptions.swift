import ArgumentParser
import DiffusionPipelines
import Torch
import TorchNN

/// Which model, on how many threads: shared by `sample` and `evaluate`.
struct ModelOptions: ParsableArguments {
  @Option(name: .long, help: "Model folder in diffusers layout.")
  var model: String

  @Option(name: .long, help: "Second set of weights in the folder to read, such as fp16.")
  var variant: String?

  @Option(name: .long, help: "LoRA adapters: a PEFT folder, or a diffusers or kohya file.")
  var lora: String?

  @Option(name: .long, help: "Processor threads of one operator (default: libtorch's choice).")
  var threads: Int?

  func validate() throws {
    if let threads, threads < 1 { throw ValidationError("--threads must be at least 1") }
  }
}

extension ModelOptions {
  /// Reads the model, with its adapters if there are any.
  func load() throws -> StableDiffusion3Pipeline {
    TorchRuntime.keepFreedMemory()
    if let threads { TorchRuntime.threadCount = threads }
    guard let lora else {
      return try StableDiffusion3Pipeline(folder: model, variant: variant)
    }
    return try StableDiffusion3Pipeline(
      folder: model, variant: variant,
      transformer: try LoRA(path: lora).learningSetup(model: model))
  }
}

/// How images are made: shared by `sample` and `evaluate`.
struct SamplingOptions: ParsableArguments {
  @Option(name: .long, help: "Denoising steps.")
  var steps = 10

  @Option(name: .long, help: "Classifier-free guidance; 1 is none.")
  var guidance = 1.0

  @Option(name: .long, help: "Seed of the initial noise.")
  var seed: UInt64 = 1

  @Option(name: .long, help: "Images of one model call at most.")
  var batch = 128

  func validate() throws {
    if steps < 1 { throw ValidationError("--steps must be at least 1") }
    if batch < 1 { throw ValidationError("--batch must be at least 1") }
    if !(0...100).contains(guidance) { throw ValidationError("--guidance must be in 0 ... 100") }
  }
}

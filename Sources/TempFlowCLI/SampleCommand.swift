import ArgumentParser
import DiffusionModels
import Foundations
import ImageFiles
import Torch
import Training

/// `tempflow sample`: samples images from prompts.
struct SampleCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sample",
    abstract: "Samples images from prompts.",
    discussion: """
      Writes 0000.png, 0001.png, ... into the output folder, one image per prompt, each batch as \
      soon as it is made; with more than 10,000 images the numbers have more digits. Without \
      --height and --width, an edit has the size of its source image, floored to a multiple that \
      the model can make. --initial-latents and --save-latents read and write a safetensors file \
      with one tensor `latents` [B, C, h, w], for comparisons with another implementation from \
      the same noise.

      The text encoders are loaded only for prompts that are not in --prompt-cache, and freed \
      before the transformer is loaded; new embeddings are added to the cache.

      Example: tempflow sample --model Models/shapes --prompt "a red circle" --steps 8 --output out
      """)

  @OptionGroup var model: ModelOptions
  @OptionGroup var sampling: SamplingOptions

  @Option(name: .long, help: "A prompt; may be given several times.")
  var prompt: [String] = []

  @Option(name: .long, help: promptFileHelp)
  var prompts: String?

  @Option(
    name: .long,
    help: "The source image, PNG or JPEG, that an editing model changes as the prompts ask.")
  var image: [String] = []

  @Option(name: .long, help: "Start from the tensor `latents` of this safetensors file.")
  var initialLatents: String?

  @Option(name: .long, help: "Write the final latents, before decoding, to this safetensors file.")
  var saveLatents: String?

  @Option(name: .long, help: "Folder for the images; created if missing.")
  var output: String

  @OptionGroup var report: OutputOptions

  func validate() throws {
    if prompt.isEmpty == (prompts == nil) {
      throw ValidationError("give either --prompt or --prompts")
    }
    if !image.isEmpty, prompts != nil {
      throw ValidationError("--image is for --prompt; a file of prompts names its own images")
    }
  }

  func run() throws {
    let prompts = try prompts.map { try model.prompts($0) } ?? givenPrompts()
    let files = ImageFolder.names(count: prompts.count).map { "\(output)/\($0)" }
    var latents: [Tensor] = []
    let loaded = try model.sample(prompts, sampling, from: initialLatents) {
      range, batch, images throws(TrainingError) in
      if saveLatents != nil { latents.append(batch.to(.cpu)) }
      try write(images, to: files[range])
    }
    if let saveLatents { try LatentsFile.write(Tensor.cat(latents, dim: 0), to: saveLatents) }
    try report.print(Report(self, loaded, prompts.map(\.text), files)) {
      "\(files.count) image\(files.count == 1 ? "" : "s") in \(output)"
    }
  }

  /// The prompts of `--prompt`, each with the images of `--image`.
  private func givenPrompts() throws -> [Prompt] {
    let counts = try FlowModelRegistry.defaults(of: model.model).conditionImages
    guard counts.contains(image.count) else {
      throw ValidationError(
        counts.upperBound == 0
          ? "--image: the model takes no source image; leave it out"
          : "--image: the model takes \(PromptList.text(counts)), found \(image.count)")
    }
    return prompt.map { text in
      var prompt = Prompt(text)
      prompt.images = image
      return prompt
    }
  }

  private func write(
    _ images: [PixelBuffer], to files: ArraySlice<String>
  ) throws(TrainingError) {
    do throws(FileError) {
      try FileTree.makeFolder(output)
    } catch {
      throw .images(error.description)
    }
    for (file, image) in zip(files, images) {
      do throws(ImageFileError) {
        try PNG.write(image, to: file)
      } catch {
        throw .images(error.description)
      }
    }
  }

  /// The output of `--json`.
  private struct Report: Encodable {
    var model: String
    var lora: String?
    var steps: Int
    var guidanceScale: Double
    var negativePrompt: String
    var maxSequenceLength: Int
    /// In pixels.
    var height: Int
    var width: Int
    /// Absent when the initial latents were read from a file.
    var seed: UInt64?
    var images: [Image]

    struct Image: Encodable {
      var path: String
      var prompt: String
    }

    private enum CodingKeys: String, CodingKey {
      case model, lora, steps, height, width, seed, images
      case guidanceScale = "guidance_scale"
      case negativePrompt = "negative_prompt"
      case maxSequenceLength = "max_sequence_length"
    }

    init(
      _ command: SampleCommand, _ loaded: any FlowModel, _ texts: [String], _ files: [String]
    ) {
      let size = loaded.geometry.image
      model = command.model.model
      lora = command.model.lora
      steps = command.sampling.steps
      guidanceScale = command.sampling.guidanceScale ?? loaded.defaults.guidanceScale
      negativePrompt = command.sampling.negativePrompt ?? loaded.defaults.negativePrompt
      maxSequenceLength =
        command.sampling.maxSequenceLength ?? loaded.defaults.maxSequenceLength
      height = size.height
      width = size.width
      seed = command.initialLatents == nil ? command.sampling.seed : nil
      images = zip(files, texts).map(Image.init)
    }
  }
}

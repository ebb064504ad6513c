public import ArgumentParser
import DiffusionModels
import TorchNN
import Training

/// `tempflow export`: writes adapters in another layout, or merges them into their model.
struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Writes trained adapters for other programs, or merged into their model.",
    discussion: """
      Takes a run directory (its averaged weights) or a LoRA of any layout. peft is a folder; \
      diffusers and kohya (ComfyUI) are a .safetensors file each; --merge writes a whole model \
      folder. docs/lora.md lists the programs that load each.

      Example: tempflow export runs/lora --format diffusers --output lora.safetensors
      """)

  @Argument(help: "A run directory, a folder in PEFT layout, or a LoRA file.")
  var source: String

  @Option(name: .long, help: "The layout: peft, diffusers or kohya.")
  var format: LoRA.Format?

  @Flag(name: .long, help: "Write the whole model with the adapters merged into its weights.")
  var merge = false

  @Option(
    name: .long,
    help: "The model to merge into, or whose names kohya's layout has (default: the run's own).")
  var model: String?

  @Option(name: .long, help: "Second set of its weights to merge into, such as fp16.")
  var variant: String?

  @Option(name: .long, help: "Take the run's averaged weights after this epoch.")
  var checkpoint: Int?

  @Option(name: .long, help: "Where to write: a file for diffusers and kohya, else a folder.")
  var output: String

  @Flag(name: .long, help: "Replace what is at the output.")
  var overwrite = false

  @OptionGroup var report: OutputOptions

  func validate() throws {
    if merge == (format != nil) { throw ValidationError("give either --format or --merge") }
    if model != nil, !merge, format != .kohya {
      throw ValidationError("--model is for --merge and --format kohya")
    }
    if variant != nil, !merge { throw ValidationError("--variant is for --merge") }
    let isFile = format == .diffusers || format == .kohya
    if isFile, !output.hasSuffix(".safetensors") {
      throw ValidationError("--output must end in .safetensors: this layout is one file")
    }
  }

  func run() throws {
    let learned = try LearnedAdapters(source, checkpoint: checkpoint)
    if let format {
      var lora = learned.lora
      if let model = model ?? (lora.record.modelClass == nil ? learned.model : nil) {
        lora.record.modelClass = try FlowModelRegistry.className(of: model)
      }
      try lora.write(format, to: output, replacing: overwrite)
    } else {
      guard let model = model ?? learned.model else {
        throw ValidationError("--merge needs --model: a LoRA file does not hold its model")
      }
      try learned.lora.merge(
        model: model, variant: variant, to: output, replacing: overwrite)
    }
    let lora = learned.lora
    try report.print(Report(self, lora)) {
      "\(lora.paths.count) adapters of rank \(lora.config.rank), alpha \(lora.config.alpha), "
        + "\(merge ? "merged into the model" : "as \(format?.rawValue ?? "")") in \(output)"
    }
  }

  /// What `--json` prints; metadata that the adapters lack is absent.
  private struct Report: Encodable {
    var source: String
    var output: String
    /// `peft`, `diffusers`, `kohya` or `merged`.
    var format: String
    var rank: Int
    var alpha: Double
    var layers: Int
    var baseModel: String?
    var recipe: String?
    var epoch: Int?
    var updates: Int?
    var rewards: [String]

    init(_ command: ExportCommand, _ lora: LoRA) {
      source = command.source
      output = command.output
      format = command.format?.rawValue ?? "merged"
      rank = lora.config.rank
      alpha = lora.config.alpha
      layers = lora.paths.count
      baseModel = lora.record.baseModel
      recipe = lora.record.recipe
      epoch = lora.record.epoch
      updates = lora.record.updates
      rewards = lora.record.rewards
    }

    private enum CodingKeys: String, CodingKey {
      case source, output, format, rank, alpha, layers, recipe, epoch, updates, rewards
      case baseModel = "base_model"
    }
  }
}

extension LoRA.Format: ExpressibleByArgument {}

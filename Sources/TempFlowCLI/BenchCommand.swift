import ArgumentParser
import Foundation
import Foundations
import Recipes
import Runs
import Torch
import Training

/// `tempflow bench`: the cost of an epoch of a recipe on this machine.
struct BenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measures the cost of an epoch of a recipe on this machine.",
    discussion: """
      Runs a few epochs without evaluations or checkpoints and prints the seconds of every phase, \
      NFE per second, the arithmetic of the transformer against that of a matrix \
      product, and the peak memory. Its run directory is removed.

      Example: tempflow bench Recipes/shapes.yaml --epochs 3
      """)

  @OptionGroup var recipe: RecipeArguments

  @Option(name: .long, help: "Epochs to measure, after one warm-up epoch.")
  var epochs = 3

  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard (1...10_000).contains(epochs) else {
      throw ValidationError("--epochs must be in 1 ... 10000")
    }
  }

  func run() async throws {
    let benchmark = try await measure()
    try output.print(benchmark) { benchmark.text }
  }

  @MainActor
  private func measure() async throws -> Benchmark {
    let loaded = try recipe.read()
    // The prompts of all epochs are encoded before the first, which is one to warm up.
    var settings = loaded.settings
    settings.epochs = epochs + 1
    try TorchRuntime.use(loaded.settings.device)
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "tempflow-bench-\(ProcessInfo.processInfo.processIdentifier)")
    defer { removeFolder(folder) }
    let run = try RunOutput(
      folder.path, resume: false, recipe: loaded, recipeName: recipe.name,
      progress: .standardError())
    return try await Trainer(settings, output: run).benchmark(epochs: epochs)
  }

  private func removeFolder(_ folder: URL) {
    do {
      try FileManager.default.removeItem(at: folder)
    } catch {
      StandardStream.warn("\(folder.path) could not be removed")
    }
  }
}

extension Benchmark {
  /// The figures as a table: medians over the epochs.
  fileprivate var text: String {
    func median(_ phase: String) -> Double {
      let sorted = epochs.compactMap { $0[phase] }.sorted()
      return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }
    var rows = ["rollout", "decode", "reward", "training", "optimizer", "all"].map { phase in
      [phase == "all" ? "epoch" : phase, String(format: "%.3f s", median(phase))]
    }
    let work = transformerFlops.rollout / median("rollout")
    rows += [
      [
        "NFE per second",
        String(format: "%.1f", Double(evaluationsPerEpoch) / median("rollout")),
      ],
      ["transformer, rollout", String(format: "%.1f GFLOP/s", work / 1e9)],
      [
        "transformer, training",
        String(format: "%.1f GFLOP/s", transformerFlops.training / median("training") / 1e9),
      ],
      [
        "matrix product of \(gemmSide)^3",
        String(format: "%.1f GFLOP/s in %@", gemmFlopsPerSecond / 1e9, gemmDtype),
      ],
      [
        "share of it in the rollout",
        String(format: "%.0f %%", 100 * work / gemmFlopsPerSecond),
      ],
      ["threads", "\(threads)"],
    ]
    if let peakMemoryBytes {
      rows.append(
        ["peak memory", String(format: "%.2f GiB", Double(peakMemoryBytes) / 1_073_741_824)])
    }
    return TextTable(columns: [.left(28), .left()], separator: "", rows: rows).text
  }
}

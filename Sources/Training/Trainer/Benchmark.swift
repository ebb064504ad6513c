internal import DiffusionModels
internal import Foundations
internal import TempFlow
internal import Torch

/// The measured cost of a recipe's epochs on this machine.
package struct Benchmark: Encodable, Sendable, Equatable {
  /// Seconds of one epoch, by phase; "all" is the whole of it.
  package var epochs: [[String: Double]]
  /// Seconds of the warm-up epoch, in which memory is first allocated and kernels are chosen.
  package var warmUpSeconds: Double
  /// Rows of the network in one rollout, guidance included.
  package var evaluationsPerEpoch: Int
  package var imagesPerEpoch: Int
  /// Floating-point operations of one epoch in the transformer; see `NetworkWork`.
  package var transformerFlops: Work
  /// Of the product of two square matrices of `gemmSide` rows, in the precision of the transformer.
  package var gemmFlopsPerSecond: Double
  package var gemmSide: Int
  package var gemmDtype: String
  /// Most bytes in use during the epochs; nil where the system has no such counter.
  package var peakMemoryBytes: Int?
  package var threads: Int
  package var device: String

  package struct Work: Encodable, Sendable, Equatable {
    package var rollout: Double
    package var training: Double
  }

  enum CodingKeys: String, CodingKey {
    case epochs
    case warmUpSeconds = "warm_up_seconds"
    case evaluationsPerEpoch = "evaluations_per_epoch"
    case imagesPerEpoch = "images_per_epoch"
    case transformerFlops = "transformer_flops"
    case gemmFlopsPerSecond = "gemm_flops_per_second"
    case gemmSide = "gemm_side"
    case gemmDtype = "gemm_dtype"
    case peakMemoryBytes = "peak_memory_bytes"
    case threads, device
  }
}

extension Trainer {
  /// Measures `epochs` epochs after a warm-up epoch. The run directory gets their metrics, without
  /// evaluations and checkpoints.
  ///
  /// - Throws: what `train` throws.
  package func benchmark(epochs: Int) async throws -> Benchmark {
    let (_, warmUp) = try await trainEpoch()
    let gemmSide = gemmSide()
    var rates = [gemmRate(side: gemmSide)]
    var measured: [[String: Double]] = []
    var report: EpochReport?
    for _ in 0..<epochs {
      let (epochReport, stopwatch) = try await trainEpoch()
      report = epochReport
      measured.append(figures(stopwatch))
      rates.append(gemmRate(side: gemmSide))
    }
    var computed = recipe
    computed.maxSequenceLength = context.policy.promptRows ?? recipe.maxSequenceLength
    let work = try FlowModelMetadata(computed).work
    let updates =
      report?.updates.map { $0.statistics.sampleCount - $0.statistics.skippedSampleCount } ?? []
    let samples = updates.reduce(0, +)
    let referenced = recipe.loss.objective.klBeta > 0 ? samples : 0
    let old = updates.suffix(
      recipe.loss.evaluatedOldUpdates(of: updates.count, epoch: epochs)
    ).reduce(0, +)
    let guided = recipe.guidance.rowsPerSample
    return Benchmark(
      epochs: measured, warmUpSeconds: warmUp.total,
      evaluationsPerEpoch: report?.nfe ?? 0,
      imagesPerEpoch: report?.imageCount ?? 0,
      transformerFlops: .init(
        rollout: work.forward * Double(report?.nfe ?? 0),
        training: work.training * Double(samples * guided)
          + work.forward * Double((referenced + old) * guided)),
      gemmFlopsPerSecond: rates.sorted()[rates.count / 2], gemmSide: gemmSide,
      gemmDtype: "\(recipe.dtype)",
      peakMemoryBytes: memory.peaks.filter { $0.key != .load }.values.max(),
      threads: TorchRuntime.threadCount, device: "\(recipe.device)")
  }

  /// Seconds by the names of `Benchmark.epochs`.
  private func figures(_ stopwatch: PhaseStopwatch) -> [String: Double] {
    let seconds = stopwatch.seconds
    let phases: [(String, Phase)] = [
      ("rollout", .rollout), ("decode", .decode), ("reward", .reward), ("training", .learning),
      ("optimizer", .optimizer),
    ]
    let figures = phases.map { ($0, seconds[$1, default: 0]) } + [("all", stopwatch.total)]
    return Dictionary(uniqueKeysWithValues: figures)
  }

  /// Rows of the matrices whose product is measured: 2048, or 8192 where that is too short to keep
  /// the device busy.
  private func gemmSide() -> Int { gemmRate(side: 2048, count: 1) > 1e13 ? 8192 : 2048 }

  /// Operations per second of the product of two square matrices, `count` in a row.
  private func gemmRate(side: Int, count: Int = 12) -> Double {
    withoutGradient {
      let matrix = Tensor.randn([side, side], generator: Generator(seed: 1)).to(recipe.dtype)
        .to(recipe.device)
      _ = matrix.matmul(matrix)
      TorchRuntime.synchronize(recipe.device)
      let start = ContinuousClock.now
      for _ in 0..<count { _ = matrix.matmul(matrix) }
      TorchRuntime.synchronize(recipe.device)
      let seconds = start.duration(to: .now) / .seconds(1)
      return 2 * Double(side * side * side * count) / seconds
    }
  }
}

internal import DiffusionModels
internal import TempFlow
internal import Torch

/// What epochs of a recipe cost on this machine, measured.
package struct Benchmark: Encodable, Sendable, Equatable {
  /// Seconds of one epoch, by phase; "all" is the whole of it.
  package var epochs: [[String: Double]]
  /// Seconds of the epoch before those, in which memory is first taken and kernels are chosen.
  package var warmUpSeconds: Double
  /// Rows given to the network for one rollout, guidance included.
  package var evaluationsPerEpoch: Int
  package var imagesPerEpoch: Int
  /// Floating-point operations of one epoch in the transformer; see `NetworkWork`.
  package var transformerFlops: Work
  /// Of the product of two square matrices of `gemmSide` rows, in the precision of the transformer.
  package var gemmFlopsPerSecond: Double
  package var gemmSide: Int
  package var gemmDtype: String
  /// Most bytes in use during the epochs; nil where the system does not say.
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
  /// Runs and measures `epochs` epochs behind one that is not counted. The run directory gets the
  /// epochs' metrics, and no evaluation or checkpoint.
  ///
  /// - Throws: what `train` throws.
  package func benchmark(epochs: Int) async throws -> Benchmark {
    let (_, warmUp) = try await trainEpoch()
    let gemmSide = gemmSide()
    var rates = [gemmRate(side: gemmSide)]
    var measured: [[String: Double]] = []
    var report: EpochReport?
    for _ in 0..<epochs {
      let (epochReport, phases) = try await trainEpoch()
      report = epochReport
      measured.append([
        "rollout": phases["rollout"], "decode": phases["decode"], "reward": phases["reward"],
        "training": phases["learning"] - phases["optimizer"], "optimizer": phases["optimizer"],
        "all": phases["all"],
      ])
      rates.append(gemmRate(side: gemmSide))
    }
    let work = try FlowModelMetadata(recipe).work
    let units = report?.updates.reduce(0) { $0 + $1.sampleCount - $1.skippedSampleCount } ?? 0
    return Benchmark(
      epochs: measured, warmUpSeconds: warmUp["all"],
      evaluationsPerEpoch: report?.nfe ?? 0,
      imagesPerEpoch: report?.images.rewards.count ?? 0,
      transformerFlops: .init(
        rollout: work.forward * Double(report?.nfe ?? 0),
        training: work.training * Double(units * recipe.guidance.rowsPerSample)),
      gemmFlopsPerSecond: rates.sorted()[rates.count / 2], gemmSide: gemmSide,
      gemmDtype: "\(recipe.dtype)",
      peakMemoryBytes: memory.peaks.filter { $0.key != "load" }.values.max(),
      threads: TorchRuntime.threadCount, device: "\(recipe.device)")
  }

  /// Rows of the matrices whose product is measured: 2048, or 8192 where that takes too little time to
  /// keep the device busy.
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

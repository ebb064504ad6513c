internal import DiffusionModels
internal import Torch
package import TorchNN

/// Whether a run fits its memory budget with one storage of the frozen weights at one image size,
/// and in which micro-batches.
package struct StorageFit: Encodable, Sendable, Equatable {
  /// `none` is bfloat16.
  package var quantizeBase: WeightQuantization
  package var offload: WeightOffload
  /// Of the images, in pixels.
  package var height, width: Int
  /// The largest `sampling.micro_batch` and `optimizer.micro_batch` that fit, among powers of 2;
  /// nil if not even one image fits.
  package var microBatches: MicroBatches?
  /// The phase with the most memory, with these micro-batches or else one image, and its bytes.
  package var peakPhase: String
  package var peak: Int
  /// Bytes of pinned memory of the host.
  package var hostBytes: Int
  /// Floating-point operations of the transformer in an epoch, without evaluations.
  package var flopsPerEpoch: Double

  package struct MicroBatches: Encodable, Sendable, Equatable {
    package var sampling, optimizer: Int
  }

  private enum CodingKeys: String, CodingKey {
    case offload, height, width, peak
    case quantizeBase = "quantize_base"
    case microBatches = "micro_batch"
    case peakPhase = "peak_phase"
    case hostBytes = "host_bytes"
    case flopsPerEpoch = "flops_per_epoch"
  }
}

extension StorageFit {
  /// Sides of squares that are compared, beside the recipe's size.
  private static let sides = [512, 768, 1024]
  /// Micro-batches that are tried, largest first.
  private static let microBatches = [64, 32, 16, 8, 4, 2, 1]

  /// Every storage at every size that the model has, for low-rank adapters and a recipe with a
  /// memory budget; empty for others.
  ///
  /// - Parameter processes: processes of the run, which share frozen weights under `shard: base`.
  /// - Throws: `TrainingError.model`.
  static func all(
    _ recipe: TrainingRecipe, _ work: TrainingPlan.Work, evaluationPrompts: Int,
    processes: Int = 1
  ) throws(TrainingError) -> [StorageFit] {
    guard recipe.learning != .full, recipe.memory.budget != nil else { return [] }
    var fits: [StorageFit] = []
    for size in try sizes(recipe) {
      var sized = recipe
      sized.resolution = size
      sized.dtype = .bfloat16
      sized.memory.gradientCheckpointing = true
      let model = try FlowModelMetadata(sized)
      for quantization in WeightQuantization.allCases {
        for offload in WeightOffload.allCases {
          sized.memory.quantizeBase = quantization
          sized.memory.offload = offload
          fits.append(
            StorageFit(
              sized, model, work, evaluationPrompts: evaluationPrompts, processes: processes))
        }
      }
    }
    return fits
  }

  /// The recipe's size and squares, by their pixels.
  private static func sizes(_ recipe: TrainingRecipe) throws(TrainingError) -> [ImageSize] {
    let sizes = try ofModel { () throws(PipelineError) in
      try FlowModelRegistry.family(of: recipe.model).imageSizes(of: recipe.model)
    }
    let own = recipe.resolution ?? sizes.usual
    let squares = sides.filter { $0.isMultiple(of: sizes.unit) && $0 <= sizes.usual.height }
      .map { ImageSize(height: $0, width: $0) }
    return ([own] + squares.filter { $0 != own })
      .sorted { $0.height * $0.width < $1.height * $1.width }
  }

  private init(
    _ recipe: TrainingRecipe, _ model: FlowModelMetadata, _ work: TrainingPlan.Work,
    evaluationPrompts: Int, processes: Int
  ) {
    let budget = recipe.memory.budget ?? 0
    func plan(_ sampling: Int, _ optimizer: Int) -> MemoryPlan {
      var sized = recipe
      sized.sampling.microBatch = sampling
      sized.optimizer.microBatch = optimizer
      return MemoryPlan(
        sized, model, evaluationPrompts: evaluationPrompts, processes: processes)
    }
    func fits(_ plan: MemoryPlan, learning: Bool) -> Bool {
      plan.phases.allSatisfy { ($0.name == "learning") != learning || $0.bytes <= budget }
    }
    let sampling = Self.microBatches.first { fits(plan($0, 1), learning: false) }
    let optimizer = Self.microBatches.first { fits(plan(1, $0), learning: true) }
    let chosen = plan(sampling ?? 1, optimizer ?? 1)
    quantizeBase = recipe.memory.quantizeBase
    offload = recipe.memory.offload
    (height, width) = (model.geometry.image.height, model.geometry.image.width)
    if let sampling, let optimizer {
      microBatches = MicroBatches(sampling: sampling, optimizer: optimizer)
    }
    (peakPhase, peak) = (chosen.peak.name, chosen.peak.bytes)
    hostBytes = chosen.hostBytes
    flopsPerEpoch = recipe.flops(work, model.work)
  }
}

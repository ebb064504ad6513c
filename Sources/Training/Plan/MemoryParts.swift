internal import DiffusionModels
internal import TempFlow
internal import Torch

/// The sizes that `MemoryPlan` adds up.
struct MemoryParts {
  typealias Item = MemoryPlan.Item

  private let recipe: TrainingRecipe
  private let model: FlowModelMetadata
  private let network: ActivationMemory
  /// Rows of one micro-batch entry: 2 with guidance.
  private let guided: Int
  private let elementBytes: Int
  private let division: WorkDivision
  /// The transformer, if the weights of its blocks move.
  private let moved: MovedSize?

  /// - Parameter processes: processes of the run.
  init(_ recipe: TrainingRecipe, _ model: FlowModelMetadata, processes: Int) {
    division = WorkDivision(recipe, ranks: processes)
    let sharing = recipe.sharing(of: processes)
    moved =
      recipe.placement.movesWeights || sharing > 1
      ? MovedSize(model.transformer, in: recipe.dtype, recipe.placement, processes: sharing) : nil
    self.recipe = recipe
    self.model = model
    guided = recipe.guidance.rowsPerSample
    elementBytes = recipe.dtype.byteCount
    network = model.activations(elementBytes)
  }

  /// What the program takes of the device's memory by itself.
  static func programBytes(on device: Device) -> Int {
    device == .cpu ? processBytes : deviceBytes
  }

  /// One latent in float32.
  var latentBytes: Int { 4 * model.latentShape.reduce(1, *) }

  /// Trunks that the process walks in an epoch, at most.
  private var trunks: Int {
    division.method.mostTrunks(processes: division.ranks, trunks: division.trunks)
  }

  /// Latents in memory while a rollout batch advances.
  private var rolloutBatchLatents: Int {
    let sampling = recipe.sampling
    let batch = min(trunks, sampling.trunksPerRolloutBatch ?? trunks)
    let most = WorkShare(0, of: division.ranks).most(of: division.columns)
    let samplesPerColumn = sampling.method == .tempflow ? sampling.trainedStepCount : 1
    return batch + min(most, division.method.columns(trunks: batch)) * samplesPerColumn
  }

  /// Latents that training reads: x and v of every stored sample, or finished latents of trunks.
  private var storedLatents: Int {
    guard recipe.loss.forward != nil else { return 2 * storedSamples }
    guard division.ranks > 1 else { return trunks }
    return trunks
      + min(division.trunks, samplesPerRank * recipe.optimizer.updatesPerEpoch)
  }

  /// Training samples in memory: those of the process's trunks, and with several processes those
  /// that it trains as well.
  private var storedSamples: Int {
    let rolledOut = trunks * recipe.sampling.trainedStepCount
    guard division.ranks > 1 else { return rolledOut }
    return rolledOut + samplesPerRank * recipe.optimizer.updatesPerEpoch
  }

  /// Training samples of one update that the process trains, at most.
  private var samplesPerRank: Int {
    (0..<division.ranks).map { division.samples(of: $0) }.max() ?? 0
  }

  /// Whether the gradients of an update are added as whole numbers; see `GradientSum`.
  private var sumsGradients: Bool { division.ranks > 1 || division.passesPerUpdate > 1 }

  /// Latents of the rollout's largest model call.
  var rolloutRows: Int { min(recipe.sampling.microBatch, rolloutBatchLatents) }

  /// In memory before anything of the model is.
  var loadedFirst: [Item] {
    var items = [Item(name: "process", bytes: Self.programBytes(on: recipe.device))]
    if division.ranks > 1, recipe.device != .cpu {
      items.append(Item(name: "NCCL", bytes: ncclBytes))
    }
    if recipe.memory.rewards > 0 {
      items.append(Item(name: "rewards", bytes: recipe.memory.rewards))
    }
    return items
  }

  /// In memory throughout.
  var standing: [Item] {
    let reference = [
      model.transformer.bytes(in: recipe.dtype, device: recipe.device),
      model.autoencoder.bytes(in: recipe.dtype, device: recipe.device),
    ].reduce(0, +)
    let needsReference = recipe.learning == .full && recipe.loss.objective.klBeta > 0
    return loadedFirst + transformer + [
      Item(
        name: "autoencoder",
        bytes: model.autoencoder.bytes(in: recipe.memory.autoencoderDType, device: recipe.device)),
      // Both moments of AdamW, the average, adapters beside the weights, an old policy.
      Item(
        name: "trainable parameters",
        bytes: 4 * model.trainableParameters
          * ((recipe.learning == .full ? 3 : 4) + (recipe.loss.forward == nil ? 0 : 1))),
    ] + (needsReference ? [Item(name: "reference model", bytes: reference)] : [])
  }

  /// The trained weights while others are in their place.
  var weightsSetAside: Item {
    Item(name: "weights set aside", bytes: 4 * model.trainableParameters)
  }

  /// The same of a rollout and an update, in which an old policy takes their place.
  var oldPolicy: [Item] { recipe.loss.forward == nil ? [] : [weightsSetAside] }

  /// The transformer's weights.
  private var transformer: [Item] {
    guard let moved else {
      let isCopied = recipe.learning == .full
      return [
        Item(
          name: "transformer",
          bytes: model.transformer.bytes(
            in: recipe.dtype, device: recipe.device, copied: isCopied))
      ]
    }
    let onHost = recipe.device == .cpu ? moved.host : 0
    return [
      Item(name: "transformer", bytes: moved.resident + onHost),
      Item(name: "weight slots", bytes: moved.slots),
    ]
  }

  /// Whether the weights of the transformer's blocks move.
  var movesWeights: Bool { moved != nil }

  /// Bytes of the host for blocks of a transformer on a GPU.
  var hostBytes: Int {
    recipe.device == .cpu ? 0 : moved?.host ?? 0
  }

  /// The text encoders while they run, and the autoencoder with one source image.
  var encoding: [Item] {
    let sizes = model.textEncoders.map { $0.bytes(in: recipe.dtype, device: recipe.device) }
    let text = Item(name: "text encoders", bytes: sizes.reduce(0, +))
    guard let encoding = model.sourceEncodingBytes else { return [text] }
    let precision = recipe.memory.autoencoderDType
    let bytes =
      model.autoencoder.whole.bytes(in: precision, device: recipe.device)
      + encoding(precision.byteCount, recipe.device)
    return [text, Item(name: "source images", bytes: bytes)]
  }

  /// Latents before and after a step of all trajectories, and those that training reads.
  var latents: Item {
    Item(
      name: "latents",
      bytes: latentBytes * (2 * rolloutBatchLatents + storedLatents))
  }

  func promptEmbeddings(of prompts: Int) -> Item {
    Item(name: "prompt embeddings", bytes: prompts * embeddingBytes)
  }

  private var embeddingBytes: Int {
    elementBytes * model.promptElements
  }

  /// A model call without gradients.
  ///
  /// - Parameters:
  ///   - rows: without guidance.
  ///   - guided: rows of the network for each; nil is those of training.
  func forward(rows: Int, guided: Int? = nil) -> Item {
    Item(
      name: "forward pass",
      bytes: (guided ?? self.guided) * rows * (network.evaluation + 2 * embeddingBytes))
  }

  func decode(_ count: Int) -> Item {
    Item(name: "decoding", bytes: count * decodingBytes)
  }

  /// As many latents as fit into `bytes`, at least one and at most a micro-batch of the rollout,
  /// without an activation of 2^31 elements.
  func decodeMicroBatch(within bytes: Int?) -> Int {
    let largest = min(recipe.sampling.microBatch, model.mostDecoded)
    return bytes.map { max(1, min(largest, $0 / decodingBytes)) } ?? largest
  }

  private var decodingBytes: Int {
    model.decodingBytes(recipe.memory.autoencoderDType.byteCount, recipe.device)
  }

  /// A forward pass with gradients and its backward pass.
  var learning: [Item] {
    let rows =
      guided
      * min(recipe.optimizer.microBatch, division.samplesPerUpdate)
    let kept =
      recipe.memory.gradientCheckpointing ? network.keptWithCheckpointing : network.kept
    let learned = model.trainableParameters
    var parts = [
      Item(name: "activations", bytes: rows * (kept + 2 * embeddingBytes)),
      Item(name: "backward pass", bytes: rows * network.backward),
      Item(name: "gradients", bytes: 4 * learned),
    ]
    if sumsGradients {
      let (sums, conversion) = GradientSum.bytes(of: learned)
      parts.append(
        Item(
          name: "sum of gradients", bytes: (division.mostPasses > 1 ? sums : 0) + conversion))
    }
    if recipe.loss.oldLogProb == .recomputed {
      // Those of all updates but the first.
      let samples = samplesPerRank * (recipe.optimizer.updatesPerEpoch - 1)
      parts.append(Item(name: "old velocities", bytes: latentBytes * samples))
    }
    guard recipe.recordsRows(trainableParameters: learned) else { return parts }
    return parts + [
      Item(name: "gradients of each thread", bytes: 4 * learned * recipe.rowThreads)
    ]
  }
}

/// The program with libtorch's libraries, measured on the CPU.
private let processBytes = 200_000_000

/// A CUDA context with libtorch's kernels (500 MB), cuBLAS's workspace of 8 x 4 MiB that makes
/// products repeatable, cuBLASLt's of 32 MiB, and 256 MiB for cuDNN's convolutions. The figures are
/// assumed.
private let deviceBytes = 500_000_000 + (8 * 4 + 32 + 256) << 20

/// NCCL's buffers in one of several processes: some for every channel to every neighbor, and those
/// of NVLink's switches. Assumed.
private let ncclBytes = 1_000_000_000

import DiffusionModels
import Torch
public import TorchNN

/// A network and the store that owns its parameters.
public struct StoredNetwork<Network> {
  public let network: Network
  public let store: ParameterStore

  public init(_ network: Network, _ store: ParameterStore) {
    self.network = network
    self.store = store
  }
}

/// Which parameters of a network learn, and its adapters.
public struct LearningSetup {
  public let trainable: ParameterStore.Trainable
  public let adapters: (plan: AdapterPlan, source: ParameterSource)?

  public init(
    trainable: ParameterStore.Trainable,
    adapters: (plan: AdapterPlan, source: ParameterSource)? = nil
  ) {
    self.trainable = trainable
    self.adapters = adapters
  }

  /// Nothing learns and nothing is adapted.
  public static var frozen: LearningSetup { LearningSetup(trainable: .nothing) }
}

/// Where a network's weights go: device, and precision (nil keeps the file's).
struct Placement {
  let device: Device
  let dtype: DType?
}

extension StoredNetwork {
  /// Reads `config.json` and the weights of one component.
  init<Configuration: ModelConfiguration>(
    folder: String, weights: String, placement: Placement, learning: LearningSetup = .frozen,
    build: (Configuration, ParameterScope) throws(ParameterError) -> Network
  ) throws(PipelineError) {
    let configuration: Configuration = try wrapping(PipelineError.model) {
      () throws(ModelError) in try Configuration(contentsOf: "\(folder)/config.json")
    }
    let checkpoint = try wrapping(PipelineError.weights) { () throws(SafetensorsError) in
      try Checkpoint.open(folder: folder, baseName: weights)
    }
    let store = ParameterStore(
      .checkpoint(checkpoint), dtype: placement.dtype, device: placement.device,
      adapters: learning.adapters, trainable: learning.trainable)
    network = try wrapping(PipelineError.parameters) { () throws(ParameterError) in
      let network = try build(configuration, store.root)
      try store.finish()
      return network
    }
    self.store = store
  }
}

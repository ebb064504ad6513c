import Foundation
public import Torch
package import TorchNN

/// The size of one network of a model folder.
public struct NetworkSize: Sendable, Equatable {
  /// Elements of all weights, without adapters.
  public let parameters: Int
  /// Elements that a run reads: all except sparsely used tables and the autoencoder's encoder.
  public let used: Int
  /// The precision of the files; nil if they are not present.
  public let stored: DType?
  /// The transformer's blocks; empty for other networks.
  public let blocks: [BlockSize]

  public init(parameters: Int, used: Int, stored: DType?, blocks: [BlockSize] = []) {
    self.blocks = blocks
    self.parameters = parameters
    self.used = used
    self.stored = stored
  }

  /// The size of the network when all of its weights are read.
  package var whole: NetworkSize {
    NetworkSize(parameters: parameters, used: parameters, stored: stored)
  }

  /// Bytes in memory. Memory-mapped weights count as far as they are read.
  public func bytes(in dtype: DType, device: Device, copied: Bool = false) -> Int {
    let isMapped = device == .cpu && stored == dtype && !copied
    return dtype.byteCount * (isMapped ? used : parameters)
  }
}

extension NetworkSize {
  /// Builds the network of a component on the meta device and reads the header of its weights.
  ///
  /// - Parameters:
  ///   - store: on the meta device; holds the parameters afterwards.
  ///   - isUsed: whether a run reads the weight with this name.
  /// - Throws: `PipelineError.model`, `.parameters` or `.weights`.
  package static func measure<Configuration: ModelConfiguration, Network>(
    _ component: String, of source: ModelSource,
    _ store: ParameterStore = ParameterStore(.meta, device: .meta),
    isUsed: (String) -> Bool,
    _ build: (Configuration, ParameterScope) throws(ParameterError) -> Network
  ) throws(PipelineError) -> (Configuration, NetworkSize) {
    let folder = "\(source.folder)/\(component)"
    let configuration: Configuration = try wrapping(PipelineError.model) {
      () throws(ModelError) in try Configuration(contentsOf: "\(folder)/config.json")
    }
    do throws(ParameterError) {
      _ = try build(configuration, store.root)
      try store.finish()
    } catch {
      throw .inconsistent(path: folder, reason: error.description)
    }
    func count(_ weights: [ParameterStore.Named]) -> Int {
      weights.reduce(0) { $0 + $1.tensor.count }
    }
    let size = NetworkSize(
      parameters: count(store.weights), used: count(store.weights.filter { isUsed($0.name) }),
      stored: try stored(folder, variant: source.placement.variant),
      blocks: store.blocks.map(BlockSize.init))
    return (configuration, size)
  }

  /// The size of a folder's autoencoder, whose encoder a run does not read.
  static func autoencoder(
    of source: ModelSource
  ) throws(PipelineError) -> (AutoencoderKLConfiguration, NetworkSize) {
    try measure(
      "vae", of: source,
      isUsed: { !$0.hasPrefix("encoder.down_blocks.") && !$0.hasPrefix("encoder.mid_block.") },
      AutoencoderKL.init)
  }

  /// The precision of a component's weights, from the first tensor of the header; nil without
  /// weights, also where their index names files that are not there.
  private static func stored(
    _ folder: String, variant: String?
  ) throws(PipelineError) -> DType? {
    for variant in [variant, nil] {
      for name in [diffusersWeights, transformersWeights]
      where WeightsFile.exists(folder: folder, baseName: name, variant: variant) {
        do throws(SafetensorsError) {
          return try WeightsFile.open(folder: folder, baseName: name, variant: variant)
            .tensors.values.first?.dtype
        } catch {
          if case .missingShard = error { return nil }
          throw .weights(error)
        }
      }
    }
    return nil
  }
}

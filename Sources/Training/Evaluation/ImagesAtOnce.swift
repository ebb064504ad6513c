package import DiffusionModels
internal import Torch

/// How many images of a model fit into the memory of its device at once, beside its weights.
package struct ImagesAtOnce: Sendable, Equatable {
  /// Images of one call of the transformer, 1...
  package let sampled: Int
  /// Latents decoded at once, 1...
  package let decoded: Int

  /// - Parameters:
  ///   - rows: of the network for an image: 2 with classifier-free guidance.
  ///   - most: the most of either.
  ///   - memory: what is free of the device's before the weights are there, in bytes; nil where
  ///     unknown, and then as many as `most`. No activation of decoding has 2^31 elements.
  package init(
    _ model: FlowModelMetadata, _ placement: Placement, rows: Int, most: Int, memory: Int?
  ) {
    func dtype(_ network: NetworkSize) -> DType { placement.dtype ?? network.stored ?? .float32 }
    let transformer =
      placement.movesWeights
      ? MovedSize(model.transformer, in: dtype(model.transformer), placement).onDevice(placement)
      : model.transformer.bytes(in: dtype(model.transformer), device: placement.device)
    let standing =
      MemoryParts.programBytes(on: placement.device) + transformer
      + model.autoencoder.bytes(in: dtype(model.autoencoder), device: placement.device)
    let free = memory.map { Int(Double($0) * MemoryPlan.decodeShare) - standing }
    func fitting(_ bytes: Int) -> Int {
      free.map { max(1, min(most, $0 / max(1, bytes))) } ?? most
    }
    let elementBytes = dtype(model.transformer).byteCount
    sampled = fitting(
      rows * (model.activations(elementBytes).evaluation + 2 * elementBytes * model.promptElements))
    let decoding = model.decodingBytes(dtype(model.autoencoder).byteCount, placement.device)
    decoded = min(fitting(decoding), model.mostDecoded)
  }
}

extension MovedSize {
  /// Bytes in the memory of the device.
  fileprivate func onDevice(_ placement: Placement) -> Int {
    resident + slots + (placement.device == .cpu ? host : 0)
  }
}

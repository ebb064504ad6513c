public import Torch

/// A parameter of one of a transformer's blocks.
public struct BlockParameter: Sendable, Equatable {
  /// Its name in the checkpoint.
  public let name: String
  public let shape: [Int]
  /// Whether it is the weight of a linear layer, which may be quantized.
  public let isMatrix: Bool
}

/// Frozen weights of a transformer's blocks that are not all on the device in full precision:
/// quantized, in the host's memory, or both.
///
/// The tensor of a parameter that is offloaded or dequantized is a view into a slot, which blocks
/// share: once its block was entered, it holds that block's values. Others have storage of their
/// own. Every block has a place of its own for each of its tensors, in the order of its parameters,
/// so that blocks may differ.
public final class MovingWeights: WeightResidency {
  /// Where the values of a parameter come from, and the tensor that its layer has.
  private struct Entry {
    let block: Int
    /// The places of what is copied from the host: the tensor, or its numbers and their scale.
    let places: [BlockLayout.Place]
    let quantized: QuantizedWeight?
    let view: Tensor
  }

  /// How the linear layers of the blocks are stored.
  public let quantization: WeightQuantization
  private let device: Device
  private let transfer: BlockTransfer?
  private var entries: [String: Entry] = [:]
  /// The quantized weights of each block.
  private var quantized: [[(weight: QuantizedWeight, view: Tensor)]]
  /// The block whose weights are dequantized.
  private var dequantized: Int?

  /// - Parameters:
  ///   - blocks: the parameters of each block, in the order in which the blocks run.
  ///   - dtype: the precision in which a layer computes with a parameter.
  ///   - device: the device of the computation.
  public init(
    _ blocks: [[BlockParameter]], dtype: (_ name: String) -> DType,
    quantization: WeightQuantization, offload: WeightOffload, device: Device
  ) {
    let layouts = blocks.map { parameters in
      var layout = Layout()
      for parameter in parameters {
        layout.add(parameter, dtype(parameter.name), quantization)
      }
      return layout
    }
    let transfer =
      offload == .blocks ? BlockTransfer(layouts.map(\.arrival.byteCount), device) : nil
    let slot = Tensor.empty(
      [layouts.map(\.slot.byteCount).max() ?? 0], dtype: .uint8, device: device)
    self.device = device
    self.quantization = quantization
    self.transfer = transfer
    quantized = blocks.map { _ in [] }
    for (block, layout) in layouts.enumerated() {
      for (name, places, computed) in layout.parameters {
        let stored = places.map { place in
          transfer.map { place.view(in: $0.buffer(of: block)) }
            ?? Tensor.empty(place.shape, dtype: place.dtype, device: device)
        }
        guard let computed else {
          entries[name] = Entry(block: block, places: places, quantized: nil, view: stored[0])
          continue
        }
        let weight = QuantizedWeight(values: stored[0], scale: stored[1])
        let view = computed.view(in: slot)
        entries[name] = Entry(block: block, places: places, quantized: weight, view: view)
        quantized[block].append((weight, view))
      }
    }
  }

  /// The places of a block's parameters: as they are stored, and as layers compute with them where
  /// that differs.
  private struct Layout {
    var arrival = BlockLayout()
    var slot = BlockLayout()
    var parameters: [(name: String, stored: [BlockLayout.Place], computed: BlockLayout.Place?)] = []

    mutating func add(
      _ parameter: BlockParameter, _ dtype: DType, _ quantization: WeightQuantization
    ) {
      guard parameter.isMatrix, let stored = quantization.dtype else {
        parameters.append((parameter.name, [arrival.add(parameter.shape, dtype)], nil))
        return
      }
      parameters.append(
        (
          parameter.name,
          [arrival.add(parameter.shape, stored), arrival.add([parameter.shape[0], 1], .float32)],
          slot.add(parameter.shape, dtype)
        ))
    }
  }

  /// Takes the values of a parameter.
  ///
  /// - Parameter tensor: on any device, in any precision.
  /// - Returns: the tensor for its layer; nil if the values are not finite in its precision.
  func insert(_ tensor: Tensor, _ name: String) -> Tensor? {
    guard let entry = entries[name] else { preconditionFailure("'\(name)' is in no block") }
    let isFinite = withoutGradient {
      entry.quantized == nil ? insertPlain(tensor, name, entry) : insertQuantized(tensor, entry)
    }
    return isFinite ? entry.view : nil
  }

  private func insertPlain(_ tensor: Tensor, _ name: String, _ entry: Entry) -> Bool {
    let converted = tensor.to(entry.view.dtype)
    guard firstNonFinite([(name, converted)]) == nil else { return false }
    guard let transfer else {
      entry.view.copy_(converted)
      return true
    }
    transfer.store(converted, of: entry.block, at: entry.places[0])
    return true
  }

  private func insertQuantized(_ tensor: Tensor, _ entry: Entry) -> Bool {
    guard let resident = entry.quantized else { return false }
    guard let transfer else {
      return resident.quantize(tensor.to(device), for: entry.view.dtype)
    }
    let weight = QuantizedWeight(
      values: .empty(like: resident.values), scale: .empty(like: resident.scale))
    guard weight.quantize(tensor.to(device), for: entry.view.dtype) else { return false }
    transfer.store(weight.values, of: entry.block, at: entry.places[0])
    transfer.store(weight.scale, of: entry.block, at: entry.places[1])
    return true
  }

  /// Fills the slots with the weights of block `index`.
  public func enter(_ index: Int) {
    transfer?.enter(index)
    guard !quantized[index].isEmpty, dequantized != index else { return }
    withoutGradient {
      for (weight, view) in quantized[index] { weight.dequantize(into: view) }
    }
    dequantized = index
  }

  public var blockCount: Int? { quantized.count }
}

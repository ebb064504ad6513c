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
/// quantized, in the host's memory, shared among processes, or several of these.
///
/// The tensor of a parameter that arrives or is dequantized is a view into a slot, which blocks
/// share: once its block was entered, it holds that block's values. Others have storage of their
/// own. Every block has a place of its own for each of its tensors, in the order of its parameters,
/// so that blocks may differ.
public final class MovingWeights: WeightResidency {
  /// Where the values of a parameter come from, and the tensor that its layer has.
  private struct Entry {
    let block: Int
    /// The places of what arrives: the tensor, or its numbers and their scale.
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
  ///   - group: the processes that share the blocks; nil if each has all of them.
  public init(
    _ blocks: [[BlockParameter]], dtype: (_ name: String) -> DType,
    quantization: WeightQuantization, offload: WeightOffload, device: Device,
    group: (any ShardGroup)? = nil
  ) {
    let layouts = blocks.map { parameters in
      var layout = Layout()
      for parameter in parameters {
        layout.add(parameter, dtype(parameter.name), quantization)
      }
      return layout
    }
    let sizes = layouts.map(\.arrival.byteCount)
    let transfer =
      offload == .blocks || group != nil
      ? BlockTransfer(sizes, offload: offload, group: group, device) : nil
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

  /// Takes the values of a parameter, of shared blocks those of this process's part.
  ///
  /// - Parameter tensor: on any device, in any precision.
  /// - Returns: the tensor for its layer; nil if values that were taken are not finite in its
  ///   precision.
  func insert(_ tensor: Tensor, _ name: String) -> Tensor? {
    guard let entry = entries[name] else { preconditionFailure("'\(name)' is in no block") }
    let isFinite = withoutGradient {
      entry.quantized == nil ? insertPlain(tensor, name, entry) : insertQuantized(tensor, entry)
    }
    return isFinite ? entry.view : nil
  }

  private func insertPlain(_ tensor: Tensor, _ name: String, _ entry: Entry) -> Bool {
    guard let transfer else {
      let converted = tensor.to(entry.view.dtype)
      guard firstNonFinite([(name, converted)]) == nil else { return false }
      entry.view.copy_(converted)
      return true
    }
    let (place, size) = (entry.places[0], entry.view.dtype.byteCount)
    let kept = transfer.kept(place, of: entry.block)
    guard !kept.isEmpty else { return true }
    let converted = tensor.reshaped([-1])
      .narrowed(dim: 0, (kept.lowerBound / size)..<(kept.upperBound / size)).to(entry.view.dtype)
    guard firstNonFinite([(name, converted)]) == nil else { return false }
    transfer.store(converted, of: entry.block, at: place.start + kept.lowerBound)
    return true
  }

  private func insertQuantized(_ tensor: Tensor, _ entry: Entry) -> Bool {
    guard let resident = entry.quantized else { return false }
    guard let transfer else {
      return resident.quantize(tensor.to(device), for: entry.view.dtype)
    }
    let (values, scale) = (entry.places[0], entry.places[1])
    // Bytes of a row in either place.
    let (ofValues, ofScale) = (tensor.shape[1], DType.float32.byteCount)
    for rows in Self.rows([
      (transfer.kept(values, of: entry.block), ofValues),
      (transfer.kept(scale, of: entry.block), ofScale),
    ]) {
      let weight = QuantizedWeight(
        values: .empty([rows.count, tensor.shape[1]], dtype: values.dtype, device: device),
        scale: .empty([rows.count, 1], device: device))
      let part = tensor.narrowed(dim: 0, rows).to(device)
      guard weight.quantize(part, for: entry.view.dtype) else { return false }
      transfer.store(
        weight.values, of: entry.block, at: values.start + rows.lowerBound * ofValues)
      transfer.store(weight.scale, of: entry.block, at: scale.start + rows.lowerBound * ofScale)
    }
    return true
  }

  /// The rows that lie in ranges of bytes, in part or whole, without any row twice.
  ///
  /// - Parameter ranges: with the bytes of a row in each.
  private static func rows(_ ranges: [(bytes: Range<Int>, ofRow: Int)]) -> [Range<Int>] {
    var found: [Range<Int>] = []
    for (bytes, ofRow) in ranges where !bytes.isEmpty {
      let rows = (bytes.lowerBound / ofRow)..<((bytes.upperBound + ofRow - 1) / ofRow)
      if let last = found.last, last.overlaps(rows) {
        found = [min(last.lowerBound, rows.lowerBound)..<max(last.upperBound, rows.upperBound)]
      } else {
        found.append(rows)
      }
    }
    return found
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

  /// Bytes of arriving blocks that this process keeps.
  package var storedByteCount: Int { transfer?.storedByteCount ?? 0 }
}

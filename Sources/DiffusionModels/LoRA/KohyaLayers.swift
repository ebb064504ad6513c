/// The linear layers of a transformer under the names of the original model, which kohya's LoRA
/// files use, and the diffusers layers that each one holds. The original model may join queries,
/// keys and values in one layer.
public struct KohyaLayers: Sendable {
  /// The prefix of the original name in a key.
  static let prefix = "lora_unet_"

  /// An original layer and the diffusers layers that it holds.
  typealias Layer = (name: String, parts: [String])

  /// A diffusers layer within an original one.
  struct Place {
    /// The original layer.
    let name: String
    /// The index of the diffusers layer.
    let part: Int
    /// The widths of all parts, as multiples of the smallest.
    let shares: [Int]
  }

  /// A list of equal blocks.
  struct Block: Sendable {
    /// The text before the block's index in the original name and in the diffusers path.
    let name, path: String
    /// Layers within a block.
    let layers: [Layer]
  }

  let blocks: [Block]
  /// Layers outside the blocks.
  let others: [Layer]
  /// The outputs of a part within a joint layer, as a multiple of the smallest part's; 1 for parts
  /// that are not listed.
  var shares: [String: Int] = [:]
  /// Whether the original layer holds the halves of its outputs in the opposite order.
  let swapsHalves: @Sendable (_ name: String, _ outputs: Int, _ inputs: Int) -> Bool

  /// The names of every family of models, with the pipeline's classes.
  static var all: [(modelClasses: [String], names: KohyaLayers)] {
    FlowModelRegistry.all.compactMap { family in
      family.kohyaLayers.map { (family.classNames, $0) }
    }
  }

  /// The diffusers paths of the layer `name` (without `prefix`); nil for an unknown layer.
  func paths(of name: String) -> [String]? {
    guard let block = blocks.first(where: { name.hasPrefix($0.name) }) else {
      return others.first { $0.name == name }?.parts
    }
    let rest = name.dropFirst(block.name.count)
    guard let end = rest.firstIndex(of: "_"), let number = Int(rest[..<end]) else { return nil }
    let inner = rest[rest.index(after: end)...]
    return block.layers.first { $0.name == inner }?.parts.map { "\(block.path)\(number).\($0)" }
  }

  /// The layer that holds the diffusers layer `path`; nil for a layer without a counterpart.
  func place(of path: String) -> Place? {
    var (table, inner, outer) = (others, path[...], "")
    if let block = blocks.first(where: { path.hasPrefix($0.path) }) {
      let rest = path.dropFirst(block.path.count)
      guard let end = rest.firstIndex(of: "."), let number = Int(rest[..<end]) else { return nil }
      (table, inner) = (block.layers, rest[rest.index(after: end)...])
      outer = "\(block.name)\(number)_"
    }
    for (name, parts) in table {
      guard let part = parts.firstIndex(of: String(inner)) else { continue }
      return Place(name: outer + name, part: part, shares: shares(of: parts))
    }
    return nil
  }

  /// The widths of a layer's parts, as multiples of the smallest.
  private func shares(of parts: [String]) -> [Int] {
    parts.count == 1 ? [1] : parts.map { shares[$0] ?? 1 }
  }
}

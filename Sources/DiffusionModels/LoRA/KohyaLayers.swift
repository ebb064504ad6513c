/// The linear layers of a transformer under the original model's names, as kohya's LoRA files have
/// them, and the layers of diffusers that each holds: the original may join queries, keys and values
/// in one layer.
public struct KohyaLayers: Sendable {
  /// What stands before the original's name in a key.
  static let prefix = "lora_unet_"

  /// An original layer, and the layers of diffusers that it holds.
  typealias Layer = (name: String, parts: [String])

  /// A list of like blocks.
  struct Block: Sendable {
    /// What stands before the number of the block in the original's name, and in diffusers' path.
    let name, path: String
    /// Within a block.
    let layers: [Layer]
  }

  let blocks: [Block]
  /// Outside the blocks.
  let others: [Layer]
  /// Whether the original holds the halves of the outputs in the other order than diffusers.
  let swapsHalves: @Sendable (_ name: String, _ outputs: Int, _ inputs: Int) -> Bool

  /// The names that some family of models has.
  static var all: [KohyaLayers] { FlowModelRegistry.all.compactMap { $0.kohyaLayers } }

  /// The paths in diffusers of the layer `name` (without `prefix`); nil for an unknown one.
  func paths(of name: String) -> [String]? {
    guard let block = blocks.first(where: { name.hasPrefix($0.name) }) else {
      return others.first { $0.name == name }?.parts
    }
    let rest = name.dropFirst(block.name.count)
    guard let end = rest.firstIndex(of: "_"), let number = Int(rest[..<end]) else { return nil }
    let inner = rest[rest.index(after: end)...]
    return block.layers.first { $0.name == inner }?.parts.map { "\(block.path)\(number).\($0)" }
  }

  /// The layer that holds diffusers' layer `path`, which of its parts it is, and how many there
  /// are; nil for a layer without a counterpart.
  func place(of path: String) -> (name: String, part: Int, count: Int)? {
    var (table, inner, outer) = (others, path[...], "")
    if let block = blocks.first(where: { path.hasPrefix($0.path) }) {
      let rest = path.dropFirst(block.path.count)
      guard let end = rest.firstIndex(of: "."), let number = Int(rest[..<end]) else { return nil }
      (table, inner) = (block.layers, rest[rest.index(after: end)...])
      outer = "\(block.name)\(number)_"
    }
    for (name, parts) in table {
      guard let part = parts.firstIndex(of: String(inner)) else { continue }
      return (outer + name, part, parts.count)
    }
    return nil
  }
}

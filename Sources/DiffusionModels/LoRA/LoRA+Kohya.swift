import Torch
import TorchNN

// kohya's layout. ComfyUI and sd-scripts read it; diffusers does for some families.

extension LoRA {
  private static let kohyaDown = ".lora_down.weight"
  private static let kohyaUp = ".lora_up.weight"
  private static let kohyaAlpha = ".alpha"

  /// One layer of the original model: its name, its adapter, the diffusers layers that it holds,
  /// and their widths.
  private typealias KohyaLayer = (
    name: String, adapter: KohyaAdapter, paths: [String], shares: [Int]
  )

  /// Reads kohya's layout; the default of a layer's alpha is its rank.
  init(kohya file: SafetensorsFile) throws(PipelineError) {
    var layers: [KohyaLayer] = []
    let found = try Self.kohyaNames(file)
    // Families share some names, such as the last layer's: the one that the header names, or the
    // one that knows most.
    var record = LoRARecord(header: file.metadata)
    let family =
      KohyaLayers.all.first { family in
        record.modelClass.map(family.modelClasses.contains) ?? false
      }
      ?? KohyaLayers.all.map { family in
        (family: family, count: found.count { family.names.paths(of: $0) != nil })
      }.max { $0.count < $1.count }.flatMap { $0.count > 0 ? $0.family : nil }
    let names = family?.names
    for name in found {
      guard let paths = names?.paths(of: name), let place = names?.place(of: paths[0]) else {
        let key = KohyaLayers.prefix + name + Self.kohyaDown
        throw LoRALayouts.refusal(of: key, path: file.path)
      }
      let adapter = try Self.adapter(name, of: file, shares: place.shares)
      layers.append((name, adapter, paths, place.shares))
    }
    let isJoined = Self.isJoined(layers)
    var tensors: [String: Tensor] = [:]
    var common: Double?
    for (name, adapter, paths, shares) in layers {
      let (parts, alpha) = Self.parts(
        of: adapter, shares: shares, isJoined: isJoined,
        swapsHalves: names?.swapsHalves(
          name, adapter.up.shape[0], adapter.down.shape[1]) ?? false)
      // One alpha for all layers; another one becomes a factor of the layer's matrix.
      let factor = alpha / (common ?? alpha)
      common = common ?? alpha
      for (path, part) in zip(paths, parts) {
        tensors[path + Self.downSuffix] = part?.down
        tensors[path + Self.upSuffix] =
          abs(factor - 1) > 1e-6 ? part.map { $0.up.to(.float32) * factor } : part?.up
      }
    }
    let rank = try Self.checkedRank(tensors, path: file.path)
    record.modelClass = record.modelClass ?? family?.modelClasses[0]
    self.init(
      tensors,
      config: LoRAConfig(
        rank: rank, alpha: common ?? Double(rank), layers: Self.paths(tensors)),
      record: record, origin: file.path)
  }

  /// The names of the file's layers, without the prefix.
  private static func kohyaNames(_ file: SafetensorsFile) throws(PipelineError) -> [String] {
    let suffixes = [kohyaDown, kohyaUp, kohyaAlpha]
    var names: Set<String> = []
    for key in file.keys {
      guard key.hasPrefix(KohyaLayers.prefix), let suffix = suffixes.first(where: key.hasSuffix)
      else { throw LoRALayouts.refusal(of: key, path: file.path) }
      names.insert(String(key.dropFirst(KohyaLayers.prefix.count).dropLast(suffix.count)))
    }
    return names.sorted()
  }

  /// Whether the adapters of the joint layers were joined from several each when they were written.
  /// One answer holds for a whole file; where the values fit both, the rank of the other layers
  /// decides.
  private static func isJoined(_ layers: [KohyaLayer]) -> Bool {
    let joint = layers.filter { $0.paths.count > 1 }
    let origins = joint.map { $0.adapter.origin(shares: $0.shares) }
    guard !joint.isEmpty, !origins.contains(.trained),
      joint.allSatisfy({ $0.adapter.down.shape[0].isMultiple(of: $0.paths.count) })
    else { return false }
    if let rank = layers.first(where: { $0.paths.count == 1 })?.adapter.down.shape[0] {
      return joint[0].adapter.down.shape[0] == rank * joint[0].paths.count
    }
    return origins.contains(.joined)
  }

  /// Splits one layer's adapter into those of its diffusers layers, with their alpha.
  private static func parts(
    of adapter: KohyaAdapter, shares: [Int], isJoined: Bool, swapsHalves: Bool
  ) -> (parts: [KohyaAdapter.Part?], alpha: Double) {
    if shares.count > 1 {
      return isJoined
        ? adapter.divided(into: shares) : (adapter.shared(by: shares), adapter.alpha)
    }
    let up = swapsHalves ? adapter.swappingHalves().up : adapter.up
    return ([(adapter.down, up)], adapter.alpha)
  }

  /// The adapter of a layer that holds diffusers layers of these widths.
  private static func adapter(
    _ name: String, of file: SafetensorsFile, shares: [Int]
  ) throws(PipelineError) -> KohyaAdapter {
    func tensor(_ suffix: String) throws(PipelineError) -> Tensor {
      try wrapping(PipelineError.weights) { () throws(SafetensorsError) in
        try file.tensor(KohyaLayers.prefix + name + suffix)
      }
    }
    let (down, up) = (try tensor(kohyaDown), try tensor(kohyaUp))
    guard down.rank == 2, up.rank == 2, down.shape[0] == up.shape[1],
      down.shape[0] > 0, up.shape[0].isMultiple(of: shares.reduce(0, +))
    else {
      throw .inconsistent(
        path: file.path,
        reason: "'\(name)': \(down.shape) and \(up.shape) are not an adapter of a linear layer")
    }
    let hasAlpha = file.keys.contains(KohyaLayers.prefix + name + kohyaAlpha)
    let alpha = hasAlpha ? try tensor(kohyaAlpha) : nil
    guard alpha.map(isPositiveNumber) ?? true else {
      throw .unsupported(
        path: file.path, key: KohyaLayers.prefix + name + kohyaAlpha,
        reason: "is not one positive number")
    }
    return KohyaAdapter(down: down, up: up, alpha: alpha?.item() ?? Double(down.shape[0]))
  }

  /// Whether a tensor is an alpha.
  static func isPositiveNumber(_ tensor: Tensor) -> Bool {
    tensor.count == 1 && tensor.item() > 0 && tensor.item().isFinite
  }

  /// The tensors of kohya's layout, in float32.
  ///
  /// - Throws: `PipelineError.unsupported` for a layer without a counterpart in the original model,
  ///   or if the layers have names in several families and the record has no class.
  func kohyaTensors() throws(PipelineError) -> [(String, Tensor)] {
    let names = try kohyaNames()
    var layers: [String: (parts: [KohyaAdapter.Part?], shares: [Int])] = [:]
    for path in paths {
      guard let place = names.place(of: path) else {
        throw .unsupported(path: origin, key: path, reason: "has no name in kohya's layout")
      }
      let (down, up) = pair(path)
      let empty = [KohyaAdapter.Part?](repeating: nil, count: place.shares.count)
      layers[place.name, default: (empty, place.shares)].parts[place.part] = (
        down.to(.float32), up.to(.float32)
      )
    }
    var tensors: [(String, Tensor)] = []
    for (name, layer) in layers.sorted(by: { $0.key < $1.key }) {
      let adapter = Self.kohyaAdapter(
        layer.parts, shares: layer.shares, alpha: config.alpha
      ) { outputs, inputs in
        names.swapsHalves(name, outputs, inputs)
      }
      let key = KohyaLayers.prefix + name
      tensors.append((key + Self.kohyaDown, adapter.down))
      tensors.append((key + Self.kohyaUp, adapter.up))
      tensors.append((key + Self.kohyaAlpha, Tensor.full([], adapter.alpha)))
    }
    return tensors
  }

  /// The names of the adapters' family: families have names for the same paths.
  private func kohyaNames() throws(PipelineError) -> KohyaLayers {
    let families = KohyaLayers.all
    if let modelClass = record.modelClass,
      let known = families.first(where: { $0.modelClasses.contains(modelClass) })
    {
      return known.names
    }
    let fitting = families.filter { family in
      paths.allSatisfy { family.names.place(of: $0) != nil }
    }
    guard fitting.count == 1 else {
      guard fitting.isEmpty, let first = families.first else {
        throw .unsupported(
          path: origin, key: paths.first ?? "",
          reason: "has a name in kohya's layout for "
            + fitting.flatMap(\.modelClasses).joined(separator: " and ")
            + ", and the file does not name its model; give the model's folder with --model")
      }
      return first.names
    }
    return fitting[0].names
  }

  private static func kohyaAdapter(
    _ parts: [KohyaAdapter.Part?], shares: [Int], alpha: Double,
    swapsHalves: (_ outputs: Int, _ inputs: Int) -> Bool
  ) -> KohyaAdapter {
    guard parts.count == 1, let part = parts[0] else {
      return KohyaAdapter(joining: parts, shares: shares, alpha: alpha)
    }
    let adapter = KohyaAdapter(down: part.down, up: part.up, alpha: alpha)
    return swapsHalves(part.up.shape[0], part.down.shape[1]) ? adapter.swappingHalves() : adapter
  }
}

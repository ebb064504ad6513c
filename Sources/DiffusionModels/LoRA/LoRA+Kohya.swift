import Torch
import TorchNN

// kohya's layout. ComfyUI and sd-scripts read it for Stable Diffusion 3; diffusers does not.

extension LoRA {
  private static let kohyaDown = ".lora_down.weight"
  private static let kohyaUp = ".lora_up.weight"
  private static let kohyaAlpha = ".alpha"

  /// One layer of the original model: its name, its adapter, and the diffusers layers that it
  /// holds.
  private typealias KohyaLayer = (name: String, adapter: KohyaAdapter, paths: [String])

  /// Reads kohya's layout; the default of a layer's alpha is its rank.
  init(kohya file: SafetensorsFile) throws(PipelineError) {
    var layers: [KohyaLayer] = []
    let found = try Self.kohyaNames(file)
    let names = KohyaLayers.all.first { names in found.contains { names.paths(of: $0) != nil } }
    for name in found {
      guard let paths = names?.paths(of: name) else {
        let key = KohyaLayers.prefix + name + Self.kohyaDown
        throw LoRALayouts.refusal(of: key, path: file.path)
      }
      layers.append((name, try Self.adapter(name, of: file, parts: paths.count), paths))
    }
    let isJoined = Self.isJoined(layers)
    var tensors: [String: Tensor] = [:]
    var first: (name: String, alpha: Double)?
    for (name, adapter, paths) in layers {
      let (parts, alpha) = Self.parts(
        of: adapter, count: paths.count, isJoined: isJoined,
        swapsHalves: names?.swapsHalves(
          name, adapter.up.shape[0], adapter.down.shape[1]) ?? false)
      for (path, part) in zip(paths, parts) {
        tensors[path + Self.downSuffix] = part?.down
        tensors[path + Self.upSuffix] = part?.up
      }
      if let first, abs(first.alpha - alpha) > 1e-6 * first.alpha {
        throw .unsupported(
          path: file.path, key: KohyaLayers.prefix + name + Self.kohyaAlpha,
          reason: "has alpha \(alpha) where '\(first.name)' has \(first.alpha); only one alpha "
            + "for all layers is supported")
      }
      first = first ?? (name, alpha)
    }
    let rank = try Self.checkedRank(tensors, path: file.path)
    self.init(
      tensors,
      config: LoRAConfig(
        rank: rank, alpha: first?.alpha ?? Double(rank), targets: Self.paths(tensors)),
      record: LoRARecord(header: file.metadata), origin: file.path)
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

  /// Whether the adapters of the joint layers were joined from three each when they were written.
  /// One answer holds for a whole file; where the values fit both, the rank of the other layers
  /// decides.
  private static func isJoined(_ layers: [KohyaLayer]) -> Bool {
    let joint = layers.filter { $0.paths.count > 1 }
    let origins = joint.map { $0.adapter.origin(parts: $0.paths.count) }
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
    of adapter: KohyaAdapter, count: Int, isJoined: Bool, swapsHalves: Bool
  ) -> (parts: [KohyaAdapter.Part?], alpha: Double) {
    if count > 1 {
      return isJoined
        ? adapter.divided(into: count) : (adapter.shared(by: count), adapter.alpha)
    }
    let up = swapsHalves ? adapter.swappingHalves().up : adapter.up
    return ([(adapter.down, up)], adapter.alpha)
  }

  /// The adapter of a layer that holds `count` diffusers layers.
  private static func adapter(
    _ name: String, of file: SafetensorsFile, parts count: Int
  ) throws(PipelineError) -> KohyaAdapter {
    func tensor(_ suffix: String) throws(PipelineError) -> Tensor {
      try wrapping(PipelineError.weights) { () throws(SafetensorsError) in
        try file.tensor(KohyaLayers.prefix + name + suffix)
      }
    }
    let (down, up) = (try tensor(kohyaDown), try tensor(kohyaUp))
    guard down.rank == 2, up.rank == 2, down.shape[0] == up.shape[1],
      down.shape[0] > 0, up.shape[0].isMultiple(of: count)
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
  /// - Throws: `PipelineError.unsupported` for a layer without a counterpart in the original model.
  func kohyaTensors() throws(PipelineError) -> [(String, Tensor)] {
    var layers: [String: [KohyaAdapter.Part?]] = [:]
    let names = KohyaLayers.all.first { names in paths.allSatisfy { names.place(of: $0) != nil } }
    for path in paths {
      guard let names = names ?? KohyaLayers.all.first,
        let (name, part, count) = names.place(of: path)
      else {
        throw .unsupported(path: origin, key: path, reason: "has no name in kohya's layout")
      }
      let (down, up) = pair(path)
      layers[name, default: Array(repeating: nil, count: count)][part] = (
        down.to(.float32), up.to(.float32)
      )
    }
    var tensors: [(String, Tensor)] = []
    for (name, parts) in layers.sorted(by: { $0.key < $1.key }) {
      let adapter = Self.kohyaAdapter(parts, alpha: config.alpha) { outputs, inputs in
        names?.swapsHalves(name, outputs, inputs) ?? false
      }
      let key = KohyaLayers.prefix + name
      tensors.append((key + Self.kohyaDown, adapter.down))
      tensors.append((key + Self.kohyaUp, adapter.up))
      tensors.append((key + Self.kohyaAlpha, Tensor.full([], adapter.alpha)))
    }
    return tensors
  }

  private static func kohyaAdapter(
    _ parts: [KohyaAdapter.Part?], alpha: Double,
    swapsHalves: (_ outputs: Int, _ inputs: Int) -> Bool
  ) -> KohyaAdapter {
    guard parts.count == 1, let part = parts[0] else {
      return KohyaAdapter(joining: parts, alpha: alpha)
    }
    let adapter = KohyaAdapter(down: part.down, up: part.up, alpha: alpha)
    return swapsHalves(part.up.shape[0], part.down.shape[1]) ? adapter.swappingHalves() : adapter
  }
}

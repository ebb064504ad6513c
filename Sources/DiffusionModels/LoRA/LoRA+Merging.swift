import Foundation
import Torch
import TorchNN

extension LoRA {
  /// Writes a copy of a pipeline folder with the adapters merged into the transformer's weights:
  /// `W + alpha / rank · B A`, computed in float32 and stored in the precision of W.
  ///
  /// All other components are copied unchanged. The transformer becomes one file, even if it was
  /// sharded.
  ///
  /// - Parameters:
  ///   - variant: the variant of the transformer's weights, such as `fp16`; nil selects the plain
  ///     ones.
  ///   - replacing: whether an existing `folder` may be replaced.
  /// - Throws: `PipelineError.exists`; `.otherModel`; any error of the model folder; `.parameters`
  ///   for a non-finite weight, before or after the merge; `.unwritable` or `.weights` when the
  ///   copy cannot be written.
  public func merge(
    model: String, variant: String? = nil, to folder: String, replacing: Bool = false
  ) throws(PipelineError) {
    try refuseToReplace(folder, replacing, mark: ModelIndex.fileName)
    guard Self.canonical(model) != Self.canonical(folder) else {
      throw .unwritable(path: folder, reason: "it is the model itself; choose another folder")
    }
    let family = try FlowModelRegistry.family(of: model)
    let base = try Placement(variant: variant)
      .open(folder: "\(model)/transformer", baseName: diffusersWeights)
    try check(against: family.linearLayers(of: model))
    for key in paths.map({ "\($0).weight" }) where base.tensors[key]?.dtype.byteCount == 1 {
      throw .parameters(.eightBit(key: key, origin: base.path))
    }
    try checkFinite()
    try Self.checkFinite(base.tensors, origin: base.path)
    let merged = merged(base.tensors)
    try Self.checkFinite(merged.filter { base.tensors[$0.key] !== $0.value }, origin: folder)
    try writeFolder(folder) { draft throws(PipelineError) in
      for name in try ModelIndex(folder: model).components
      where name != "transformer" && FileManager.default.fileExists(atPath: "\(model)/\(name)") {
        try copyFolder("\(model)/\(name)", to: "\(draft)/\(name)")
      }
      try copyFile("\(model)/\(ModelIndex.fileName)", to: "\(draft)/\(ModelIndex.fileName)")
      try makeFolder("\(draft)/transformer")
      try copyFile("\(model)/transformer/config.json", to: "\(draft)/transformer/config.json")
      try wrapping(PipelineError.weights) { () throws(SafetensorsError) in
        try Safetensors.write(
          merged.map { ($0.key, $0.value) },
          metadata: record.header.merging(["format": "pt"]) { $1 },
          to: "\(draft)/transformer/\(diffusersWeights).safetensors")
      }
    }
  }

  /// The weights of the transformer with the adapters merged.
  private func merged(_ weights: [String: Tensor]) -> [String: Tensor] {
    var merged = weights
    for path in paths {
      let key = "\(path).weight"
      guard let weight = weights[key] else { continue }
      let (down, up) = pair(path)
      let update = up.to(.float32).matmul(down.to(.float32))
      merged[key] = weight.to(.float32).adding(update, scale: config.scale).to(weight.dtype)
    }
    return merged
  }

  private static func canonical(_ path: String) -> String {
    URL(fileURLWithPath: path).resolvingSymlinksInPath().standardizedFileURL.path
  }
}

import Torch
public import TorchNN

/// Low-rank adapters on disk, as PEFT lays them out: `adapter_config.json` and
/// `adapter_model.safetensors` with keys `base_model.model.<path>.lora_A.weight`.
///
/// `PeftModel.from_pretrained(transformer, folder)` loads what is written, and so does diffusers'
/// `transformer.load_lora_adapter(folder, weight_name="adapter_model.safetensors",
/// prefix="base_model.model")`, which takes rank and alpha from the header of the weights file.
public enum LoRAFolder {
  private static let weightsFile = "adapter_model.safetensors"
  private static let prefix = "base_model.model."

  /// Writes the adapters of a network. The folder is made if it is missing.
  ///
  /// - Parameters:
  ///   - adapters: names as the store gives them, `<path>.lora_A.weight` and `lora_B.weight`;
  ///     averaged ones, for example. nil takes the store's own.
  ///   - baseModel: what the adapters belong to, for people and PEFT; not used when loading.
  /// - Throws: `PipelineError.unwritable` or `.weights`.
  public static func write(
    _ store: ParameterStore, adapters: [ParameterStore.Named]? = nil, baseModel: String? = nil,
    to folder: String
  ) throws(PipelineError) {
    guard let plan = store.adapterPlan else {
      preconditionFailure("the network has no adapters to write")
    }
    try makeFolder(folder)
    let tensors = (adapters ?? store.adapters).map { (prefix + $0.name, $0.tensor.detached()) }
    let configuration = LoRAConfiguration(plan)
    let settings = try writing(folder) { try configuration.headerText(prefix: prefix) }
    try wrapping(PipelineError.weights) { () throws(SafetensorsError) in
      try Safetensors.write(
        tensors, metadata: ["format": "pt", "lora_adapter_metadata": settings],
        to: "\(folder)/\(weightsFile)")
    }
    try writeFile("\(folder)/\(LoRAConfiguration.fileName)") {
      try configuration.json(baseModel: baseModel)
    }
  }

  /// Reads adapters, for `StableDiffusion3Pipeline(folder:transformer:)`.
  ///
  /// - Throws: `PipelineError` for a missing file, a setting of PEFT that cannot be followed, or a
  ///   tensor that is no adapter.
  public static func read(
    _ folder: String
  ) throws(PipelineError) -> (plan: AdapterPlan, source: ParameterSource) {
    let configuration = try LoRAConfiguration(
      path: "\(folder)/\(LoRAConfiguration.fileName)")
    let path = "\(folder)/\(weightsFile)"
    let file = try wrapping(PipelineError.weights) { () throws(SafetensorsError) in
      try SafetensorsFile(path: path)
    }
    var tensors: [String: Tensor] = [:]
    var paths: Set<String> = []
    for key in file.keys {
      guard key.hasPrefix(prefix), let end = suffixes.first(where: key.hasSuffix) else {
        throw .unknownKey(path: path, key: key)
      }
      let name = String(key.dropFirst(prefix.count))
      paths.insert(String(name.dropLast(end.count)))
      tensors[name] = try wrapping(PipelineError.weights) { () throws(SafetensorsError) in
        try file.tensor(key)
      }
    }
    let plan = AdapterPlan(
      rank: configuration.rank, alpha: configuration.alpha,
      targets: configuration.targets ?? paths.sorted())
    return (plan, .checkpoint(tensors, origin: path))
  }

  private static let suffixes = [".lora_A.weight", ".lora_B.weight"]
}
